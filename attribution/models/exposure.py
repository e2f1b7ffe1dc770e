"""How visits go with pollen and air: shares with intervals, correlations of series over time.

Weeks are not independent of one another: a season makes neighbours alike. So intervals come from a
circular block bootstrap (Politis and Romano 1992): whole runs of neighbouring weeks are drawn, and
what neighbours have in common stays in them. Many correlations are looked at together, so p-values
are adjusted by Benjamini and Hochberg (1995).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
NORMAL_95 = 1.959964
DRAWS = 2000
_SEED = 20261127


@dataclass(frozen=True, slots=True)
class Correlation:
    """Spearman's rank correlation with its 95% interval and two-sided p-value."""

    rho: float
    low: float
    high: float
    p: float


def wilson(cases: float, people: float) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927), both ends from 0 to 1."""
    share, square = cases / people, NORMAL_95**2
    middle = (share + square / (2 * people)) / (1 + square / people)
    spread = sqrt(share * (1 - share) / people + square / (4 * people**2))
    half = NORMAL_95 * spread / (1 + square / people)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def block_length(periods: int) -> int:
    """How many neighbours are drawn together: the cube root rule, and at least a quarter's run."""
    return min(max(int(1.5 * float(periods) ** (1 / 3) + 0.5), 4), max(periods // 3, 1))


def drawn_blocks(periods: int, draws: int = DRAWS) -> NDArray[np.int64]:
    """Which periods each draw consists of, one row a draw; the last is followed by the first."""
    length = block_length(periods)
    random = np.random.default_rng(_SEED)
    starts = random.integers(0, periods, (draws, -(-periods // length)))
    return ((starts[:, :, None] + np.arange(length)) % periods).reshape(draws, -1)[:, :periods]


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> Correlation | None:
    """How the ranks of two series of the same periods go together; None where one never changes.

    Ranks are those of the whole series also in the draws. The p-value is twice the share of draws
    on the other side of nought, at least one of them.
    """
    x, y = _standardised(one), _standardised(other)
    if x is None or y is None:
        return None
    rho = float((x * y).mean())
    chosen = drawn_blocks(len(x))
    drawn = _correlations(x[chosen], y[chosen])
    low, high = np.quantile(drawn, (0.025, 0.975))
    beyond = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(1.0, 2 * (beyond + 1) / (len(drawn) + 1))
    return Correlation(rho, float(low), float(high), p)


def mean_interval(values: Sequence[float], inside: Sequence[bool]) -> tuple[float, float, float]:
    """The mean over the periods inside, with its 95% interval by the same draws of all periods."""
    amounts, flags = np.asarray(values, dtype=np.float64), np.asarray(inside, dtype=bool)
    chosen = drawn_blocks(len(amounts))
    own = flags[chosen]
    sizes = own.sum(axis=1)
    means = (amounts[chosen] * own).sum(axis=1)[sizes > 0] / sizes[sizes > 0]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(amounts[flags].mean()), float(low), float(high)


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Adjusted p-values: at most this share of those as small or smaller is by chance."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values)
    scaled = values[order] * len(values) / np.arange(1, len(values) + 1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1.0)
    return [float(value) for value in adjusted]


def _standardised(values: Sequence[float]) -> Numbers | None:
    ranks = pd.Series(values, dtype="float64").rank().to_numpy()
    spread = ranks.std()
    return None if len(ranks) < 3 or spread == 0 else (ranks - ranks.mean()) / spread


def _correlations(x: Numbers, y: Numbers) -> Numbers:
    """Row by row; nought where a draw never changes."""
    x = x - x.mean(axis=1, keepdims=True)
    y = y - y.mean(axis=1, keepdims=True)
    spread = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    together: Numbers = (x * y).sum(axis=1) / np.where(spread > 0, spread, 1.0)
    return together
