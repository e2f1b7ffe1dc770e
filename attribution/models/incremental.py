"""Incremental credit: what would not have come without a channel, learned from places and weeks.

One fit for each kind of conversion gives a hundred draws of the channels' coefficients. Everything
else follows from them: each channel's share of a cell's conversions in a week, its increment, and
how sure it is. What no channel brought is the baseline. See docs/incremental.md.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from attribution.models.incremental_design import (
    Floats,
    Intensities,
    Node,
    cells_of,
    counts_of,
    in_order,
    media_of,
    span_of,
    spending_of,
)
from attribution.models.incremental_draws import Fits, along, drawn, usual, walked
from attribution.models.incremental_evidence import FOLLOWS_A_VISIT, covered, terms_of
from attribution.models.incremental_fit import Panel, Prior, Term, fit
from attribution.models.incremental_groups import Groups, courses_of, groups_of

COLUMNS = {
    "kind": "str", "channel": "str", "draw": "int64", "kept": "float64", "power": "float64",
    "delay": "int64", "coefficient": "float64", "increment": "float64", "known": "float64",
    "holdouts": "int64", "lift_tests": "int64", "places": "int64", "weeks": "int64",
}  # fmt: skip
_NOTHING = pd.DataFrame({name: [] for name in COLUMNS}).astype(COLUMNS)
# The kind that marketing acts on first is fitted from nothing; the others lean on it.
_FIRST = ("lead", "new_patient", "booked", "kept", "collected")
# Below this the weeks say nothing that chance could not: all is baseline.
_ONE_CAUSE = ("booked", "kept")
_FEWEST_WEEKS = 30
_FEWEST_CONVERSIONS = 500
_WARM_UP = 10  # weeks: what was on before them is not known, so they are not fitted
# Before anything is seen, marketing brings some four in ten, and no channel all of it.
_USUAL_SUM = 0.28
_BY_SPEND = 0.25  # with sixteen times the money a channel is expected to bring twice as much
_ALIKE = 0.25  # how far a channel's effect on one kind may be from that on another
# Weeks that conversions come after what brought them. Some bookings come with the lead, and some
# follow a visit.
_DELAYS = {"lead": (0, 2), "booked": (0, 2, 4, 8)}
_LATER = (2, 4, 8)
_BESIDE = 0.35  # how far that may be from what journeys say of all channels together
_UNSURE = 0.2  # of all channels together, whatever the fit says
# Messages go to people who are known, who need not be brought again: of some kinds they may bring
# none, and an interval of what cannot be below nothing must be able to begin there.
_NOTHING_OF_A_KIND = 0.2
_MOST_NODES = 6
_SEED = 20_260_101
_HALF_NORMAL = 1 - 2 / np.pi  # variance of one, of scale 1
Draws = tuple[list[Node], Floats]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of conversion in the panel."""

    name: str
    counts: Floats  # cell x week
    intensities: Intensities
    groups: Groups
    terms: Sequence[Term]
    spending: Mapping[str, float]
    tested: Mapping[int, int]  # channel -> lift tests of the first kind, heard through it

    @property
    def delays(self) -> tuple[int, ...]:
        return _DELAYS.get(self.name, _LATER)

    def half_normal(self) -> Prior:
        """Half-normal, wider for channels with more money."""
        media = self.intensities.media
        paid = np.array([self.spending.get(one.channel, 0.0) for one in media])
        known = paid[~np.isnan(paid)]
        most = known.max(initial=0.0)
        size = np.maximum(paid, 0.01 * most if most > 0 else 1.0) ** _BY_SPEND
        size[np.isnan(paid)] = size[paid > 0].mean() if most > 0 else 1.0
        scale = _USUAL_SUM / np.sqrt(len(size)) * size / size.mean()
        return self.prior(np.zeros(len(size)), np.diag(scale**2))

    def prior(self, centre: Floats, covariance: Floats) -> Prior:
        _, precision = courses_of(self.groups, self.counts.shape[1])
        inverse: Floats = np.linalg.inv(covariance).astype(np.float64)
        return Prior(centre, inverse, precision)

    def heard(self, channel: int, *, by_person: bool) -> int:
        """How many experiments there are on a channel."""
        mine = [term for term in self.terms if term.channel == channel]
        own = sum(term.by_person == by_person for term in mine)
        return own if by_person else own + self.tested.get(channel, 0)

    def fits(self, prior: Prior, scatter: float) -> Fits:
        weeks, span = self.counts.shape[1], span_of(self.counts)
        # Before its first and after its last conversion a kind was not reported: nothing is known
        # of those weeks, and they are no weeks without conversions.
        seen = np.zeros(weeks, dtype=bool)
        # The first and the last week are hardly ever whole ones.
        seen[max(span.start + 1, _WARM_UP) : span.stop - 1] = True
        courses, _ = courses_of(self.groups, weeks)
        panel = Panel(self.groups.summed(self.counts), courses, seen, scatter)
        terms = [self.groups.term(term, self.counts) for term in self.terms]
        held = [self.heard(at, by_person=True) > 0 for at in range(len(self.intensities.media))]
        nothing = np.where(held, _NOTHING_OF_A_KIND, 0.0)
        return Fits(panel, self.intensities, self.groups, prior, terms, nothing)

    def scatter(self, node: Node) -> float:
        """By how much counts scatter more than a Poisson's: 1 or more."""
        fits = self.fits(self.half_normal(), 1.0)
        seen = fits.panel.seen
        counts, mean = fits.panel.counts[:, seen], fits.fit(node).expected[:, seen]
        free = max(counts.size - len(fits.panel.courses) - len(counts), counts.size // 2)
        return max(1.0, float(((counts - mean) ** 2 / np.maximum(mean, 0.5)).sum()) / free)


def draws_of(
    conversions: pd.DataFrame,
    media: pd.DataFrame,
    journeys: pd.DataFrame,
    holdouts: pd.DataFrame,
    tests: pd.DataFrame,
    report: pd.DataFrame,
) -> pd.DataFrame:
    """A hundred draws of every kind and channel that the panel can speak of; COLUMNS.

    `conversions` has kind, service_line, location, week, conversions; `media` channel, campaign,
    service_line, location, week, currency, spend_micros, impressions, clicks, messages; `journeys`
    kind, channel, week, has_media, journeys; `holdouts` and `tests` are as incremental_evidence
    reads them, and `report` has the one currency of reports. `known` is the part of the variance of
    what is believed beforehand that is gone; `holdouts` and `lift_tests` are what was heard.
    """
    tests = covered(conversions, media, tests)
    if media.empty or conversions["conversions"].sum() < _FEWEST_CONVERSIONS:
        return _NOTHING.copy()
    conversions, media, journeys, holdouts, tests = (
        in_order(frame) for frame in (conversions, media, journeys, holdouts, tests)
    )
    kinds = _kinds(conversions, media, holdouts, tests, str(report["currency"].iloc[0]))
    parts = led_by_media(conversions, journeys, media)
    frames = []
    nodes: list[tuple[Node, float]] = []
    first: Floats | None = None
    for kind in kinds:
        rng = np.random.default_rng([_SEED, _rank(kind.name)[0]])
        if first is None:
            fits = kind.fits(kind.half_normal(), kind.scatter(usual(kind.intensities.media)))
            nodes = walked(fits, rng)
            picked, first = drawn(fits, nodes, rng)
            frames.append(_frame(kind, (picked, first)))
        else:
            beside = parts.get(kind.name, 0.0) / (parts.get(kinds[0].name, 0.0) or 1.0)
            leaning, size = _leaning(kind, nodes, first, beside, rng)
            frames.append(_frame(kind, leaning, size))
    if not frames:
        return _NOTHING.copy()
    return pd.concat(frames, ignore_index=True).astype(COLUMNS)


def _kinds(
    conversions: pd.DataFrame,
    media: pd.DataFrame,
    holdouts: pd.DataFrame,
    tests: pd.DataFrame,
    currency: str,
) -> list[_Kind]:
    """The kinds with enough to learn from, the one to learn from first before the others."""
    cells = cells_of(conversions, media)
    channels = media_of(media, cells) if len(cells.weeks) >= _FEWEST_WEEKS else []
    if not channels:
        return []
    intensities, groups = Intensities(channels, cells), groups_of(cells)
    spending = spending_of(media, currency)
    kinds: list[_Kind] = []
    for name in sorted(set(conversions["kind"]), key=_rank):
        counts = counts_of(conversions[conversions["kind"] == name], cells)
        span = span_of(counts)
        if counts.sum() >= _FEWEST_CONVERSIONS and span.stop - span.start >= _FEWEST_WEEKS:
            terms = terms_of(name, cells, channels, holdouts, tests, conversions)
            tested: Mapping[int, int] = {}
            if kinds and name in FOLLOWS_A_VISIT:
                # A test ends and visits go on, so it counts too few of them.
                tested = Counter(term.channel for term in kinds[0].terms if not term.by_person)
                terms = [one for one in terms if one.by_person or one.channel not in tested]
            kinds.append(_Kind(name, counts, intensities, groups, terms, spending, tested))
    return kinds


def led_by_media(
    conversions: pd.DataFrame, journeys: pd.DataFrame, media: pd.DataFrame
) -> dict[str, float]:
    """The share of each kind's conversions to which a channel with media led last.

    Of both the weeks since media are told count: touches may be told for years before.
    """
    since = media["week"].min()
    whole = conversions[conversions["week"] >= since].groupby("kind")["conversions"].sum()
    led = journeys[(journeys["has_media"] == 1) & (journeys["week"] >= since)]
    mine = led.groupby("kind")["journeys"].sum()
    parts = {
        str(kind): float(mine.get(kind, 0.0)) / float(count)
        for kind, count in whole.items()
        if count > 0
    }
    # A booking and its visit have one cause; who is followed for longer shows more of it.
    visits = max((parts.get(kind, 0.0) for kind in _ONE_CAUSE), default=0.0)
    return parts | {kind: visits for kind in _ONE_CAUSE if kind in parts}


def _rank(kind: str) -> tuple[int, str]:
    return (_FIRST.index(kind) if kind in _FIRST else len(_FIRST), kind)


def _leaning(
    kind: _Kind,
    nodes: Sequence[tuple[Node, float]],
    first: Floats,
    beside: float,
    rng: np.random.Generator,
) -> tuple[Draws, float]:
    """A kind whose channels are expected to work in the proportions of the first kind.

    `beside` is what journeys say: the share of conversions that channels are credited with, beside
    that of the first kind. Most visits are routine, and no channel's.
    """
    best = along(nodes, _MOST_NODES)
    later = [replace(node, delay=delay) for node, _ in best for delay in kind.delays]
    before = np.array([weight for _, weight in best for _ in kind.delays])
    mean = first.mean(axis=0)
    spread = np.atleast_2d(np.cov(first.T))
    scatter = kind.scatter(later[0])
    scale, error = _scale(kind, later, mean, scatter, beside)
    covariance = scale**2 * spread + np.diag((_ALIKE * scale * mean) ** 2 + 1e-8)
    covariance += error**2 * np.outer(mean, mean)
    centre = scale * mean
    # People who were held out say more of a kind than another kind does.
    alone = [at for at in range(len(mean)) if kind.heard(at, by_person=True)]
    wide = np.linalg.inv(kind.half_normal().precision)
    centre[alone] = 0.0
    covariance[alone, :] = covariance[:, alone] = 0.0
    covariance[alone, alone] = wide[alone, alone]
    fits = kind.fits(kind.prior(centre, covariance), scatter)
    weights = fits.weights(later) * before
    weighed = list(zip(later, (weights / weights.sum()).tolist(), strict=True))
    return drawn(fits, weighed, rng), scale


def _scale(
    kind: _Kind, nodes: Sequence[Node], mean: Floats, scatter: float, beside: float
) -> tuple[float, float]:
    """How much of the first kind's effect this kind shows, all channels pressed together."""
    whole = float(mean.sum())
    part = min(beside * whole / (1 + whole), 0.9)
    expected = part / (1 - part) / whole if part > 0 and whole > 0 else 0.5
    prior = kind.prior(np.array([expected]), np.array([[(_BESIDE * expected) ** 2]]))
    fits = kind.fits(prior, scatter)
    found = [
        fit(fits.panel, np.tensordot(mean, fits.intensity(node), 1)[None], prior) for node in nodes
    ]
    evidence = np.array([one.evidence for one in found])
    weight = np.exp(evidence - evidence.max())
    weight /= weight.sum()
    scales = np.array([float(one.coefficients[0]) for one in found])
    within = np.array([float(one.covariance[0, 0]) for one in found])
    scale = float(weight @ scales)
    # Where conversions come late the fit finds less than there is, and is too sure of it.
    floor = (_UNSURE * scale) ** 2
    error = float(np.sqrt(floor + weight @ (within + (scales - scale) ** 2)))
    return max(scale, 0.02), error


def _frame(kind: _Kind, draws: Draws, usual_size: float = 1.0) -> pd.DataFrame:
    """Rows of every draw; `usual_size` is the kind's effect beside that of the first kind."""
    nodes, coefficients = draws
    media, channels = kind.intensities.media, range(len(kind.intensities.media))
    before = _HALF_NORMAL * usual_size**2 / np.diag(kind.half_normal().precision)
    known = np.clip(1 - coefficients.var(axis=0) / before, 0.0, 1.0)
    heard = [[kind.heard(at, by_person=people) for people in (True, False)] for at in channels]
    places, span = len(set(kind.intensities.cells.locations)), span_of(kind.counts)
    weeks = span.stop - span.start
    rows = []
    for draw, (node, row) in enumerate(zip(nodes, coefficients, strict=True)):
        increments = (kind.intensities.shares(node, row) * kind.counts).sum(axis=(1, 2))
        rows += [
            (kind.name, one.channel, draw, setting.kept, setting.power, node.delay,
             round(float(row[at]), 9), round(float(increments[at]), 6),
             round(float(known[at]), 6), *heard[at], places, weeks)
            for at, (one, setting) in enumerate(zip(media, node.settings, strict=True))
        ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))
