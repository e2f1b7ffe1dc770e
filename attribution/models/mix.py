"""Marketing mix: what each channel brings in a week, as a curve of what it is given.

Learned from whole weeks alone, without places and without journeys, so it speaks of every channel
that money or messages went into, offline and untracked media too. Lift tests and holdouts are heard
where there are any. A hundred draws of every kind and channel are published. See docs/mix.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from attribution.models.incremental import led_by_media
from attribution.models.incremental_design import (
    Bools,
    Cells,
    Floats,
    Media,
    cells_of,
    counts_of,
    in_order,
    media_of,
    span_of,
)
from attribution.models.incremental_evidence import terms_of
from attribution.models.incremental_fit import Term
from attribution.models.mix_design import Courses, Test, courses_of, products_of
from attribution.models.mix_draws import Drawn, Sampler, beliefs_of

COLUMNS = {
    "kind": "str", "channel": "str", "draw": "int64", "top": "float64", "half": "float64",
    "brought": "float64", "spend": "float64", "now": "float64", "least": "float64",
    "most": "float64", "known": "float64", "holdouts": "int64", "lift_tests": "int64",
    "weeks": "int64",
}  # fmt: skip
_NOTHING = pd.DataFrame({name: [] for name in COLUMNS}).astype(COLUMNS)
MONEY = "collected"  # the kind of which value is counted, not payments
DRAWS = 100
FEWEST_WEEKS = 52  # with fewer a season cannot be told from a budget
FEWEST_CONVERSIONS = 500
_WARM_UP = 8  # weeks whose carry-over begins before the data
YEAR, QUARTER, MONTH = 52, 13, 4  # weeks: of what is told; of today's spend; of a range ever spent
_INNER = 3  # draws behind each published one; their mean is the estimate
# Draws are spread this much further from their mean: what the model cannot know of itself. Found
# on simulated worlds (benchmarks/mix.py), other ones than those its figures are of.
WIDER = 1.3
_LEAST_PART = 0.1  # of what is believed of another kind
_BY_PLACE = 0.1  # of a test's increment: how far a channel's part there may be from its money's
_SEED = 20_260_102
MICROS = 1e6


@dataclass(frozen=True, slots=True)
class Weekly:
    """What each channel pressed with in each week, and what one unit of it costs."""

    channels: tuple[str, ...]
    pressed: Floats  # channel x week, in its own unit
    price: Floats  # channel: money of reports for a unit; NaN where it has no such money
    size: Floats  # channel: money, for what is believed of it beforehand


def mix_draws(
    conversions: pd.DataFrame,
    media: pd.DataFrame,
    journeys: pd.DataFrame,
    holdouts: pd.DataFrame,
    tests: pd.DataFrame,
    report: pd.DataFrame,
) -> pd.DataFrame:
    """A hundred draws of every kind's and channel's curve; COLUMNS.

    `conversions` has kind, service_line, location, week, conversions, value_micros; the other
    frames are those of `incremental.draws_of`. `top` and `half` are of `response.Curves`, a week
    in money of reports; `brought` and `spend` are of the last year, `now` is a week's money of the
    last quarter, `least` and `most` are the ends of what a month's weeks were ever given.
    """
    if media.empty or conversions.empty:
        return _NOTHING.copy()
    conversions, media, journeys, holdouts, tests = (
        in_order(frame) for frame in (conversions, media, journeys, holdouts, tests)
    )
    cells = cells_of(conversions, media)
    pressing = media_of(media, cells) if len(cells.weeks) >= FEWEST_WEEKS + _WARM_UP else []
    if not pressing:
        return _NOTHING.copy()
    weekly = _weekly(pressing, cells, media, str(report["currency"].iloc[0]))
    counted = _counted(conversions, cells)
    heard = {
        kind: _tests(terms_of(kind, cells, pressing, holdouts, tests), pressing, cells)
        for kind in counted
    }
    inside = conversions[conversions["week"] >= media["week"].min()]
    parts = _parts(list(counted), led_by_media(inside, journeys))
    frames = []
    for kinds, seen in _alike(counted):
        frames += _fitted(kinds, seen, counted, weekly, heard, parts)
    if not frames:
        return _NOTHING.copy()
    return pd.concat(frames, ignore_index=True).astype(COLUMNS)


def _weekly(pressing: Sequence[Media], cells: Cells, media: pd.DataFrame, currency: str) -> Weekly:
    pressed = np.stack([(one.pressure * cells.size[:, None]).sum(axis=0) for one in pressing])
    paid = media[media["spend_micros"] > 0]
    price, size = [], []
    for one, course in zip(pressing, pressed, strict=True):
        own = paid[paid["channel"] == one.channel]
        inside = own["week"].to_numpy("datetime64[D]") >= cells.weeks[0]
        spent = float(own["spend_micros"][inside].sum()) / MICROS
        known = spent > 0 and set(own["currency"]) == {currency}
        price.append(spent / float(course.sum()) if known else np.nan)
        # Messages are next to free, and do as much as other channels all the same.
        free = media.loc[media["channel"] == one.channel, "messages"].sum() > 0
        size.append(np.nan if free or not known else spent)
    sizes = np.array(size)
    paid = sizes[~np.isnan(sizes)]
    sizes[np.isnan(sizes)] = paid.mean() if len(paid) else 1.0
    return Weekly(tuple(one.channel for one in pressing), pressed, np.array(price), sizes)


def _parts(kinds: Sequence[str], led: Mapping[str, float]) -> dict[str, float]:
    """How much of each kind channels may bring, beside the kind that they bring most of.

    Most visits are routine: what journeys say of all channels together is believed beforehand.
    """
    most = max((led.get(kind, 0.0) for kind in kinds), default=0.0)
    return {
        kind: max(led.get(kind, 0.0) / most, _LEAST_PART) if most > 0 else 1.0 for kind in kinds
    }


def _counted(conversions: pd.DataFrame, cells: Cells) -> dict[str, Floats]:
    """What is counted of each kind in each week; money of the kind that is money."""
    counted = {}
    for kind in sorted(set(conversions["kind"])):
        rows = conversions[conversions["kind"] == kind]
        if rows["conversions"].sum() < FEWEST_CONVERSIONS:
            continue
        if kind == MONEY:
            rows = rows.assign(conversions=rows["value_micros"] / MICROS)
        course = counts_of(rows, cells).sum(axis=0)
        if course.sum() > 0:
            counted[str(kind)] = course
    return counted


def _alike(counted: dict[str, Floats]) -> list[tuple[list[str], Bools]]:
    """Kinds that were reported over the same weeks, and these weeks: they are fitted together."""
    found: dict[tuple[int, int], list[str]] = {}
    for kind, course in counted.items():
        span = span_of(course[None])
        # The first and the last week are hardly ever whole ones.
        first, end = max(span.start + 1, _WARM_UP), span.stop - 1
        if end - first >= FEWEST_WEEKS:
            found.setdefault((first, end), []).append(kind)
    weeks = len(next(iter(counted.values()))) if counted else 0
    at = np.arange(weeks)
    return [(kinds, (at >= first) & (at < end)) for (first, end), kinds in sorted(found.items())]


def _tests(terms: Sequence[Term], pressing: Sequence[Media], cells: Cells) -> list[Test]:
    """Experiments on cells, as ones that saw part of what the channel pressed with in a week."""
    found = []
    for term in terms:
        money = pressing[term.channel].pressure * cells.size[:, None]
        whole = money.sum(axis=0)
        by_heads = (term.weight * cells.size[:, None]).sum(axis=0) / cells.size.sum()
        share = (term.weight * money).sum(axis=0) / np.where(whole > 0, whole, 1.0)
        weight = np.where(whole > 0, share, by_heads)
        error = term.standard_error
        if not (term.weight[:, term.weight.any(axis=0)] > 0).all():
            error = float(np.hypot(error, _BY_PLACE * term.increment))
        found.append(Test(term.channel, weight, term.increment, error, term.by_person))
    return found


def fitted(
    counted: Floats,
    pressed: Floats,
    channels: Sequence[str],
    seen: Bools,
    tests: Sequence[Sequence[Test]],
    seed: int,
    parts: Sequence[float] | None = None,
    size: Floats | None = None,
    draws: int = DRAWS * _INNER,
) -> tuple[Courses, list[Drawn]]:
    """Draws of several kinds (kind x week) over the weeks `seen`; the wider ones are published."""
    courses = courses_of(pressed, seen, channels)
    means = counted[:, seen].mean(axis=1)
    sampler = Sampler(
        products_of(courses.usual, counted, seen),
        courses,
        means,
        tests,
        pressed[:, seen].mean(axis=1) if size is None else size,
        int(seen.sum()),
        [1.0] * len(counted) if parts is None else parts,
        np.random.default_rng(seed),
    )
    return courses, [_wider(drawn) for drawn in sampler.run(draws)]


def _wider(drawn: Drawn) -> Drawn:
    """Each draw further from the mean, which stays; none below nought."""
    mean = drawn.coefficient.mean(axis=0)
    spread = np.maximum(mean + WIDER * (drawn.coefficient - mean), 0.0)
    moved = spread.mean(axis=0)
    return Drawn(drawn.setting, spread * (mean / np.where(moved > 0, moved, 1.0)), drawn.noise)


def curves_of(courses: Courses, drawn: Drawn, mean: float) -> tuple[Floats, Floats]:
    """`top` and `half` of each draw (draw x channel), where a mean week has `mean` conversions."""
    at = np.arange(drawn.setting.shape[1])
    top: Floats = drawn.coefficient * mean / courses.mean[at, drawn.setting]
    half: Floats = courses.half[at, drawn.setting]
    return top, half


def brought_of(courses: Courses, drawn: Drawn, mean: float, weeks: Bools) -> Floats:
    """What each channel brought in some weeks: draw x channel."""
    summed = courses.usual[:, :, weeks].sum(axis=2)
    at = np.arange(drawn.setting.shape[1])
    brought: Floats = drawn.coefficient * mean * summed[at, drawn.setting]
    return brought


def _fitted(
    kinds: Sequence[str],
    seen: Bools,
    counted: dict[str, Floats],
    weekly: Weekly,
    heard: dict[str, list[Test]],
    parts: Mapping[str, float],
) -> list[pd.DataFrame]:
    course = np.stack([counted[kind] for kind in kinds])
    tests = [heard[kind] for kind in kinds]
    active: Bools = weekly.pressed[:, seen].sum(axis=1) > 0
    if not active.any():
        return []
    place = np.cumsum(active) - 1
    tests = [
        [Test(int(place[t.channel]), t.weight, t.increment, t.standard_error, t.by_person)
         for t in of_kind if active[t.channel]]
        for of_kind in tests
    ]  # fmt: skip
    channels = [name for name, on in zip(weekly.channels, active, strict=True) if on]
    pressed, price, size = (part[active] for part in (weekly.pressed, weekly.price, weekly.size))
    shares = [parts[kind] for kind in kinds]
    courses, every = fitted(course, pressed, channels, seen, tests, _SEED, shares, size)
    year = _last(seen, YEAR)
    frames = []
    for number, (kind, drawn) in enumerate(zip(kinds, every, strict=True)):
        mean = float(course[number, seen].mean())
        top, half = curves_of(courses, drawn, mean)
        brought = _published(brought_of(courses, drawn, mean, year))
        known = _known(drawn, size, parts[kind])
        for at, channel in enumerate(channels):
            spent = pressed[at] * price[at]
            month = _monthly(spent[seen])
            mine = [test for test in tests[number] if test.channel == at]
            frames.append(
                pd.DataFrame(
                    {
                        "kind": kind,
                        "channel": channel,
                        "draw": np.arange(DRAWS),
                        "top": _published(top)[:, at].round(9),
                        "half": (half[_INNER // 2 :: _INNER, at] * price[at]).round(6),
                        "brought": brought[:, at].round(6),
                        "spend": round(float(spent[year].sum()), 6),
                        "now": round(float(spent[_last(seen, QUARTER)].mean()), 6),
                        "least": round(float(month.min()), 6),
                        "most": round(float(month.max()), 6),
                        "known": round(float(known[at]), 6),
                        "holdouts": sum(test.by_person for test in mine),
                        "lift_tests": sum(not test.by_person for test in mine),
                        "weeks": int(seen.sum()),
                    }
                )
            )
    return frames


def _published(draws: Floats) -> Floats:
    """Every third draw, with the mean of all of them."""
    picked = draws[_INNER // 2 :: _INNER]
    mean = picked.mean(axis=0)
    published: Floats = picked * (draws.mean(axis=0) / np.where(mean > 0, mean, 1.0))
    return published


def _known(drawn: Drawn, size: Floats, part: float) -> Floats:
    """The part of the variance of what is believed beforehand that is gone."""
    beliefs = beliefs_of(size)
    before = (WIDER * part) ** 2 * ((beliefs.sd**2).mean(axis=0) + beliefs.centre.var(axis=0))
    known: Floats = np.clip(1 - drawn.coefficient.var(axis=0) / before, 0.0, 1.0)
    return known


def _last(seen: Bools, weeks: int) -> Bools:
    chosen = np.zeros(len(seen), dtype=bool)
    chosen[np.flatnonzero(seen)[-weeks:]] = True
    return chosen


def _monthly(spent: Floats) -> Floats:
    mean: Floats = np.convolve(spent, np.ones(MONTH) / MONTH, "valid")
    return mean
