"""Draws from the posterior: coefficients that are not negative, over all settings of the media.

What carries over and how soon a channel saturates is not known. So settings are walked over, one
channel at a time, each weighed with the probability that the evidence gives it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from attribution.models.incremental_design import (
    AWARENESS,
    Floats,
    Intensities,
    Media,
    Node,
    Setting,
)
from attribution.models.incremental_fit import Fitted, Panel, Prior, Term, fit
from attribution.models.incremental_groups import Groups

DRAWS = 100
_INNER = 10  # draws behind each published one; their mean is the estimate
_SWEEPS = 10
_MOVES = 25
KEPT = {True: (0.4, 0.6, 0.8, 0.9), False: (0.0, 0.3, 0.6)}
POWERS = (0.5, 0.7, 0.9)
_ROOT = float(np.sqrt(2 * np.pi))


class Fits:
    """Fits of one kind at any settings, each made once and started from the one before."""

    def __init__(
        self,
        panel: Panel,
        intensities: Intensities,
        groups: Groups,
        prior: Prior,
        terms: Sequence[Term],
        nothing: Floats | None = None,
    ) -> None:
        self.panel, self.intensities, self.groups = panel, intensities, groups
        self.prior, self.terms = prior, terms
        self.nothing = np.zeros(len(prior.centre)) if nothing is None else nothing
        self._fits: dict[Node, Fitted] = {}
        self._last: tuple[Floats, Floats] | None = None

    def intensity(self, node: Node) -> Floats:
        """Channel x group x week."""
        return self.groups.averaged(self.intensities.at(node))

    def fit(self, node: Node) -> Fitted:
        if node not in self._fits:
            found = fit(self.panel, self.intensity(node), self.prior, self.terms, self._last)
            # From exactly zero a coefficient would need a step of its own to be let go.
            self._last = found.courses, np.maximum(found.coefficients, 1e-3)
            self._fits[node] = found
        return self._fits[node]

    def weights(self, nodes: Sequence[Node]) -> Floats:
        evidence = np.array([self.fit(node).evidence for node in nodes])
        weight: Floats = np.exp(evidence - evidence.max())
        weight /= weight.sum()
        if not np.isfinite(weight).all():
            raise ArithmeticError(
                "The evidence of a setting of the incremental model is no number."
            )
        return weight


def usual(media: Sequence[Media]) -> Node:
    """Where the walk begins."""
    return Node(tuple(Setting(0.6 if one.channel in AWARENESS else 0.3, 0.7) for one in media))


def walked(fits: Fits, rng: np.random.Generator) -> list[tuple[Node, float]]:
    """Settings and their weights, by a walk over them, its first sweep apart.

    At each step every setting that could have been chosen counts with its chance, not the chosen
    one alone (Gelfand and Smith, Journal of the American Statistical Association 85, 1990): a walk
    as short as this one would lean to where it happened to be, and to the same side in every panel.
    """
    media = fits.intensities.media
    node, seen = usual(media), dict[Node, float]()
    for sweep, at in enumerate(_even(rng, 2 * len(media))):
        for place, even in enumerate(at):
            number, of_power = divmod(place, 2)
            neighbours = _neighbours(node, number, media[number], of_power=bool(of_power))
            chances = fits.weights(neighbours)
            if sweep:
                for each, chance in zip(neighbours, chances.tolist(), strict=True):
                    seen[each] = seen.get(each, 0.0) + chance
            node = neighbours[int(np.searchsorted(np.cumsum(chances), even * (1 - 1e-12)))]
    whole = sum(seen.values())
    return [(each, chance / whole) for each, chance in seen.items()]


def along(nodes: Sequence[tuple[Node, float]], most: int) -> list[tuple[Node, float]]:
    """At most so many nodes, from all along a walk: each stands for an equal part of it."""
    reached = np.cumsum([weight for _, weight in nodes])
    at = np.searchsorted(reached / reached[-1], (np.arange(most) + 0.5) / most)
    return [(nodes[number][0], count / most) for number, count in Counter(at.tolist()).items()]


def _even(rng: np.random.Generator, choices: int) -> Floats:
    """Sweep x choice: for each choice a number from each part of 0 to 1, in random order.

    By chance alone few sweeps would go one way more often than the chances say. That a part comes
    once makes the numbers of a choice depend on each other, which so few sweeps do not show.
    """
    parts = np.argsort(rng.uniform(size=(_SWEEPS, choices)), axis=0)
    even: Floats = (parts + rng.uniform(size=parts.shape)) / _SWEEPS
    return even


def _neighbours(node: Node, number: int, media: Media, *, of_power: bool) -> list[Node]:
    """The node with each power of one channel, or with each part that it keeps."""
    now = node.settings[number]
    if of_power:
        return [_with(node, number, replace(now, power=power)) for power in POWERS]
    kept = KEPT[media.channel in AWARENESS]
    return [_with(node, number, replace(now, kept=value)) for value in kept]


def _with(node: Node, number: int, setting: Setting) -> Node:
    """The node with another setting of one channel."""
    return replace(node, settings=(*node.settings[:number], setting, *node.settings[number + 1 :]))


def drawn(
    fits: Fits, nodes: Sequence[tuple[Node, float]], rng: np.random.Generator
) -> tuple[list[Node], Floats]:
    """The published draws: the node of each, and draw x channel coefficients.

    Nodes get their share of draws. What is published has, channel by channel, the mean of ten
    times as many.
    """
    reached = np.cumsum([weight for _, weight in nodes])
    at = np.searchsorted(reached / reached[-1], (np.arange(DRAWS * _INNER) + 0.5) / DRAWS / _INNER)
    found = [fits.fit(node) for node, _ in nodes]
    centres = np.array([one.centre for one in found])[at]
    precisions = np.linalg.inv(np.array([one.covariance for one in found]))[at]
    odds = _odds_of_nothing(fits.nothing, fits.prior)
    everything = truncated(centres, precisions, rng, odds)
    picked = everything[_INNER // 2 :: _INNER]
    mean = picked.mean(axis=0)
    published = picked * (everything.mean(axis=0) / np.where(mean > 0, mean, 1.0))
    return [nodes[number][0] for number in at[_INNER // 2 :: _INNER]], published


def _odds_of_nothing(chance: Floats, prior: Prior) -> Floats:
    """Odds beforehand that a channel brings nothing, over the prior's density right above that."""
    sd = np.sqrt(np.diag(np.linalg.inv(prior.precision)))
    from scipy.special import ndtr

    density = np.exp(-0.5 * (prior.centre / sd) ** 2) / (sd * _ROOT * ndtr(prior.centre / sd))
    odds: Floats = chance / (1 - chance) / density
    return odds


def truncated(
    centres: Floats, precisions: Floats, rng: np.random.Generator, odds: Floats | None = None
) -> Floats:
    """A draw of each normal, cut off at zero, by moving one coordinate at a time.

    `centres` are draw x coordinate, `precisions` draw x coordinate x coordinate. A coordinate with
    `odds` is exactly zero in as many draws as is likely: the odds beforehand, over the prior's
    density above zero, times the density there of what the others leave (the ratio of Savage and
    Dickey; Dickey, Annals of Mathematical Statistics 42, 1971).
    """
    from scipy.special import ndtr, ndtri

    size, coordinates = centres.shape
    sd = 1 / np.sqrt(np.diagonal(precisions, axis1=1, axis2=2))
    odds = np.zeros(coordinates) if odds is None else odds
    drawn = np.maximum(centres, 0.3 * sd)
    for _ in range(_MOVES):
        for at in range(coordinates):
            off = drawn - centres
            off[:, at] = 0.0
            pull = np.einsum("dc,dc->d", off, precisions[:, at])
            mean = centres[:, at] - pull * sd[:, at] ** 2
            inside = ndtr(np.maximum(mean / sd[:, at], -30))
            part = np.clip(rng.uniform(size=size) * inside, 1e-300, 1 - 1e-16)
            drawn[:, at] = np.maximum(mean - sd[:, at] * ndtri(part), 0.0)
            if odds[at] > 0:
                density = np.exp(-0.5 * (mean / sd[:, at]) ** 2) / (sd[:, at] * _ROOT)
                bet = odds[at] * density
                drawn[rng.uniform(size=size) * (inside + bet) < bet, at] = 0.0
    return drawn
