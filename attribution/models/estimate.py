"""What a model says of each channel, and how sure it is.

Intervals hold at 90%. Their spread comes from the infinitesimal jackknife: what one journey more
of each path would change, squared, times how many such journeys there were. It is what the
delete-a-group jackknife tends to as groups become single journeys, but without drawing groups: the
same file always gives the same interval. The number of journeys counts as uncertain too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.models.paths import Floats, Paths, Tally, added

Z = 1.6448536269514722  # of a 90% interval


@dataclass(frozen=True)
class Interval:
    """What each channel is credited with, and between what and what that lies."""

    centre: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Estimate:
    """A model's credit by channel; `value` is None where the file has none."""

    conversions: Interval
    value: Interval | None
    removal_effect: Floats | None = None
    note: str = ""
    others: tuple[str, ...] = ()  # rows after the channels


@dataclass(frozen=True)
class Influence:
    """What one journey more of each path (rows) does to each channel's share (columns).

    A converting journey that brings `u` adds `fixed + u * per_value`; another adds `null`.
    """

    fixed: Floats
    per_value: Floats
    null: Floats


def score_interval(centre: Floats, variance: Floats, unit: float) -> Interval:
    """An interval for sums of rare events: it is never below zero, and wider above than below.

    It holds the means from which `centre` is no further than Z deviations, where the variance
    grows with the mean. `unit` is what one event brings, for channels that have none yet.
    """
    scale = np.where(centre > 0, variance / np.where(centre > 0, centre, 1.0), unit)
    half = Z**2 * scale / 2
    reach = np.sqrt(half**2 + 2 * half * np.maximum(centre, 0.0))
    low, high = centre + half - reach, centre + half + reach
    return Interval(centre, np.maximum(low, 0.0), high)


def normal_interval(centre: Floats, variance: Floats) -> Interval:
    """An interval of the same width on both sides."""
    reach = Z * np.sqrt(variance)
    return Interval(centre, centre - reach, centre + reach)


def ends_of_draws(draws: Floats, level: float = 0.9) -> tuple[Floats, Floats]:
    """Between what and what one draw more, as the truth is one, lies with chance `level`.

    Along the first axis. Of n draws in order one more is below the k-th with chance k / (n + 1)
    (Hyndman and Fan 1996, definition 6): ends by n alone, the usual ones, would lie too near.
    """
    shares = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(draws, shares, axis=0, method="weibull")
    return low, high


def value_interval(centre: Floats, variance: Floats, tally: Tally) -> Interval:
    """An interval of a value, which may be below zero only where refunds are."""
    if (tally.value < 0).any():
        return normal_interval(centre, variance)
    converted = float(tally.conversions.sum())
    return score_interval(centre, variance, float(tally.value.sum()) / max(converted, 1.0))


def no_interval(centre: Floats) -> Interval:
    """A figure whose spread is not known."""
    unknown = np.full(len(centre), np.nan)
    return Interval(centre, unknown, unknown)


def share_variance(share: Floats, total: float, influence: Influence, tally: Tally) -> Floats:
    """The variance of `share * total`, where `total` is the value of the tally."""
    won = np.flatnonzero((tally.conversions > 0) | (tally.squares > 0))
    lost = np.flatnonzero(tally.nulls > 0)
    fixed = total * influence.fixed[won]
    slope = share + total * _rows(influence.per_value, won)
    slope = np.broadcast_to(slope, fixed.shape)
    spread: Floats = tally.conversions[won] @ fixed**2
    spread += 2 * (tally.value[won] @ (fixed * slope))
    spread += tally.squares[won] @ slope**2
    spread += tally.nulls[lost] @ (total * influence.null[lost]) ** 2
    return np.maximum(spread, 0.0)


def _rows(amounts: Floats, rows: NDArray[np.intp]) -> Floats:
    return amounts if len(amounts) == 1 else amounts[rows]


def as_counts(tally: Tally) -> Tally:
    """The tally where each conversion brings 1: the value of conversions themselves."""
    return Tally(tally.conversions, tally.nulls, tally.conversions, tally.conversions)


def by_weights(paths: Paths, weights: Floats) -> Estimate:
    """Credit by the weight of each pair of path and channel in `paths.cells`."""
    _, path, channel = paths.cells
    size = len(paths.channels)

    def credit(amounts: Floats) -> Floats:
        return added(channel, amounts, size)

    tally = paths.tally
    squared = weights**2
    conversions = score_interval(
        credit(weights * tally.conversions[path]), credit(squared * tally.conversions[path]), 1.0
    )
    if not paths.has_value:
        return Estimate(conversions, None)
    value = credit(weights * tally.value[path])
    return Estimate(
        conversions, value_interval(value, credit(squared * tally.squares[path]), tally)
    )
