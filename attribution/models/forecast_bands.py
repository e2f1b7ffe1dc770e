"""How sure: bands as wide as the misses of the tests were.

A miss is measured in the usual miss of its series, and the misses of all series together say how
many times as large as usual the largest half, fifth and twentieth are, by how far ahead. These are
the split conformal intervals of Vovk, Gammerman and Shafer, *Algorithmic Learning in a Random
World* (2005), with scores scaled by series. The usual miss is taken from the other origins, as it
will be from earlier weeks when the next ones are foretold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from attribution.models.forecast_series import Floats

LEVELS = (50, 80, 95)
BOUNDS = tuple(f"{side}_{level}" for level in LEVELS for side in ("low", "high"))
# Tests overlap, so that what they say of one another is too good: bands are a tenth wider. Chosen
# on one simulated system and checked on another (docs/benchmarks.md).
_OVERLAP = 1.1
_REACHES = ((1, 4), (5, 8), (9, 10_000))  # weeks ahead, told apart


@dataclass(frozen=True, slots=True)
class Bands:
    """By level in percent: how many usual misses the band reaches up and down, weeks ahead."""

    widths: Mapping[int, Floats]

    def around(self, level: int, expected: Floats, usual: float) -> tuple[Floats, Floats]:
        """The band of a forecast whose series usually misses by `usual`."""
        reach = self.widths[level][: len(expected)] * usual
        return np.maximum(expected - reach, 0.0), expected + reach


def usual_miss(misses: Sequence[Sequence[float]]) -> float:
    """The mean absolute miss of a series' tests."""
    return float(np.abs(np.array(misses)).mean()) if len(misses) else 0.0


def bands_of(tests: Sequence[Sequence[Sequence[float]]], horizon: int) -> Bands:
    """The bands that fit the misses of all series (of each, a row an origin)."""
    scores = [_scores(np.array(misses, dtype="float64")) for misses in tests]
    scores = [each for each in scores if each.size]
    widths = {level: np.zeros(horizon) for level in LEVELS}
    if not scores:
        return Bands(widths)
    for level in LEVELS:
        wide = 0.0
        for first, last in _REACHES:
            found = np.concatenate([each[:, first - 1 : last].ravel() for each in scores])
            if found.size:
                # The farther ahead the less is known, also where these tests show otherwise.
                wide = max(wide, _quantile(found, level))
                widths[level][first - 1 : last] = wide
    return Bands(widths)


def _scores(misses: Floats) -> Floats:
    """Each miss over the usual miss of the other origins; of one origin alone, over its own."""
    size = np.abs(misses)
    if len(size) == 0:
        return size
    rows = size.mean(axis=1)
    usual = (rows.sum() - rows) / (len(rows) - 1) if len(rows) > 1 else rows
    usual = usual[:, None]
    return np.asarray(np.divide(size, usual, out=np.zeros_like(size), where=usual > 0))


def _quantile(scores: Floats, level: int) -> float:
    """The conformal quantile: one more score than there are, the unknown one, counts as largest."""
    rank = min(int(np.ceil((len(scores) + 1) * level / 100)), len(scores))
    return _OVERLAP * float(np.sort(scores)[rank - 1])
