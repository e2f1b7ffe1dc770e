"""Maturity: what recent cohorts will come to, once all that is still arriving has arrived.

A cohort is the leads (or bookings, or visits) of a week. What came `d` weeks later is known of the
cohorts that are that old. Looked at backwards from the end, the share of all that had come by week
`d` that came in week `d` itself needs no cohort to be complete: the reverse-time hazard of lags cut
off on the right, which on weekly cohorts is the chain ladder. It gives the share of the final
that has arrived by each age. How much a lead brings in the end is taken from the weeks around it,
each with the part of it that has had the time to show.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

MATURE = 0.9  # a cohort of which less has arrived is immature
NEARNESS = 0.9  # what a week says of the level of the next one, beside what that one says itself
MEMORY = 52  # weeks of calendar that lags are learned from: habits and systems change
PRIOR = 50.0  # leads' worth of all service lines that is mixed into each line
MONEY = "collected"
_Z = 1.6448536269514722  # 90% of a normal distribution lies within so many deviations
# More digits would show the order in which numbers were added; money is in millionths.
_DIGITS = {True: 6, False: -3}
_GRAIN = ["kind_from", "kind_to", "service_line", "week"]
_ANSWERS = ("expected", "low", "high", "maturity")


@dataclass(frozen=True, slots=True)
class Triangle:
    """What arrived of each cohort in each week after it: a row a week, a column a lag."""

    entered: Array
    ages: NDArray[np.int64]  # in weeks, of the newest row least
    arrived: Array
    counted: bool  # whether what arrives is people, of whom no more can come than entered

    @property
    def window(self) -> int:
        return int(self.arrived.shape[1]) - 1

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which lags each cohort is old enough to have shown."""
        return np.arange(self.window + 1) <= self.ages[:, None]

    @property
    def recent(self) -> NDArray[np.bool_]:
        """Which lags of each cohort fell into the weeks that the lags are learned from."""
        back = self.ages[:, None] - np.arange(self.window + 1)
        return np.asarray((back >= 0) & (back < MEMORY))


@dataclass(frozen=True, slots=True)
class Estimate:
    """Per cohort: the final amount with its 90% interval, and how much of it arrives by its age."""

    expected: Array
    low: Array
    high: Array
    maturity: Array


def cohort_maturity(cells: pd.DataFrame) -> pd.DataFrame:
    """Columns kind_from, kind_to, service_line, week, expected, low, high, maturity.

    Only cohorts whose window is still open have a row; of the others all has arrived. `cells` are
    those of `int_cohorts`.
    """
    parts = [_open_cohorts(pair) for _, pair in cells.groupby(_GRAIN[:2], sort=True)]
    parts = [part for part in parts if len(part)]
    if parts:
        return pd.concat(parts, ignore_index=True)
    texts = dict.fromkeys(_GRAIN, "str")
    return pd.DataFrame(columns=[*_GRAIN, *_ANSWERS]).astype(
        texts | dict.fromkeys(_ANSWERS, "float64")
    )


def _open_cohorts(pair: pd.DataFrame) -> pd.DataFrame:
    weeks = np.sort(pair["week"].unique())
    lines = sorted(pair["service_line"].unique())
    triangles = [_triangle(pair[pair["service_line"] == line], weeks) for line in lines]
    parts = []
    for line, triangle, found in zip(lines, triangles, estimates(triangles), strict=True):
        still = (triangle.ages < triangle.window) & (triangle.entered > 0)
        frame = pd.DataFrame({name: getattr(found, name)[still] for name in _ANSWERS})
        named = [str(pd.Timestamp(week).date()) for week in weeks[still]]
        kinds = {name: pair[name].iloc[0] for name in _GRAIN[:2]}
        parts.append(frame.assign(**kinds, service_line=line, week=named))
    return pd.concat(parts, ignore_index=True)[[*_GRAIN, *_ANSWERS]]


def _triangle(cells: pd.DataFrame, weeks: NDArray[np.datetime64]) -> Triangle:
    """One service line on the weeks of all lines; a week without a cohort entered nobody."""
    window = int(cells["window_weeks"].iloc[0])
    row = np.searchsorted(weeks, cells["week"].to_numpy())
    arrived = np.zeros((len(weeks), window + 1))
    arrived[row, cells["lag_weeks"].to_numpy(dtype="int64")] = cells["arrived"]
    entered = np.zeros(len(weeks))
    entered[row] = cells["entered"]
    newest = int(cells["age_weeks"].iloc[0])
    since = (weeks - weeks[row[0]]).astype("timedelta64[D]").astype(np.int64) // 7
    counted = str(cells["kind_to"].iloc[0]) != MONEY
    return Triangle(entered, newest - since, arrived, counted)


def estimates(triangles: list[Triangle]) -> list[Estimate]:
    """Each service line's cohorts, a small line leaning on all lines together."""
    whole = _together(triangles)
    # What a lead brings: the unit in which the prior is stated, so money may be in any.
    unit = _over(_so_far(whole).sum(), whole.entered.sum())
    if not unit > 0:
        return [_nothing(triangle) for triangle in triangles]
    shape = pattern(whole)
    shapes = [pattern(triangle, shape, unit) for triangle in triangles]
    levels = _levels(triangles, shape, shapes)
    misses = _misses(triangles, shape, shapes)
    pooled = _pooled(misses, unit, counted=whole.counted)
    every = zip(triangles, shapes, levels, misses, strict=True)
    return [_estimate(*each, pooled) for each in every]


def pattern(triangle: Triangle, shape: Array | None = None, unit: float = 0.0) -> Array:
    """The share of the final that has arrived by each age; the last is 1.

    With the `shape` of all lines, `PRIOR` leads that behave as it says are added.
    """
    until = np.cumsum(triangle.arrived, axis=1)
    new = (triangle.arrived * triangle.recent).sum(axis=0)
    all_ = (until * triangle.recent).sum(axis=0)
    if shape is not None:
        weight = PRIOR * unit
        new = new + weight * np.diff(shape, prepend=0.0)
        all_ = all_ + weight * shape
    # Refunds can take more than came; the share that has arrived does not go down again.
    hazard = np.clip(np.divide(new, all_, out=np.zeros_like(new), where=all_ > 0), 0.0, 1.0)
    later = np.cumprod((1.0 - hazard)[:0:-1])[::-1]
    return np.append(later, 1.0)


def _levels(triangles: list[Triangle], shape: Array, shapes: list[Array]) -> list[Array]:
    """What each cohort brings for one who entered it, by service line."""
    whole = _level(_together(triangles), shape)
    pairs = zip(triangles, shapes, strict=True)
    return [_level(triangle, own, whole) for triangle, own in pairs]


def _level(triangle: Triangle, shape: Array, all_lines: Array | None = None) -> Array:
    """A generalized Cape Cod: what has arrived over those who have had the time, by nearness."""
    near = NEARNESS ** np.abs(triangle.ages[:, None] - triangle.ages[None, :])
    above = near @ _so_far(triangle)
    below = near @ (triangle.entered * _at(shape, triangle.ages))
    if all_lines is not None:
        above, below = above + PRIOR * all_lines, below + PRIOR
    brought = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return np.asarray(np.maximum(brought, 0.0))


@dataclass(frozen=True, slots=True)
class _Misses:
    """By age: squares of what earlier weeks would have been wrong by, and what they foretold."""

    squares: Array
    foretold: Array


def _misses(triangles: list[Triangle], shape: Array, shapes: list[Array]) -> list[_Misses]:
    """How wrong the method would have been of these cohorts when they were younger, by line."""
    length = triangles[0].window + 1
    found = [_Misses(np.zeros(length), np.zeros(length)) for _ in triangles]
    ages = triangles[0].ages
    for weeks in np.unique(ages[(ages > 0) & (ages <= MEMORY)]):
        earlier = [_earlier(triangle, int(weeks)) for triangle in triangles]
        levels = _levels(earlier, shape, shapes)
        for each, then, own, level, total in zip(
            triangles, earlier, shapes, levels, found, strict=True
        ):
            _add_misses(each, then, own, level, total)
    return found


def _add_misses(now: Triangle, then: Triangle, shape: Array, level: Array, total: _Misses) -> None:
    young = np.flatnonzero((then.ages < then.window) & (then.entered > 0))
    age = then.ages[young]
    reached = np.minimum(now.ages[young], now.window)
    came = np.cumsum(now.arrived[young], axis=1)
    place = np.arange(len(young))
    due = then.entered[young] * level[young] * (shape[reached] - shape[age])
    np.add.at(total.squares, age, (came[place, reached] - came[place, age] - due) ** 2)
    np.add.at(total.foretold, age, due)


def _earlier(triangle: Triangle, weeks: int) -> Triangle:
    """What was known so many weeks ago; rows are by week, so the newest are gone."""
    old = triangle.ages >= weeks
    ages = triangle.ages[old] - weeks
    then = Triangle(triangle.entered[old], ages, triangle.arrived[old], triangle.counted)
    return replace(then, arrived=then.arrived * then.seen)


def _pooled(misses: list[_Misses], unit: float, *, counted: bool) -> Array:
    """By age: the variance of what is still to come over its mean, of all lines together."""
    squares = np.sum([each.squares for each in misses], axis=0)
    foretold = np.sum([each.foretold for each in misses], axis=0)
    # Without any past to judge by: people as a Poisson count, money by a few sizes of its parts.
    usual = _over(squares.sum(), foretold.sum()) or (1.0 if counted else 4.0 * unit)
    ratio = np.divide(squares, foretold, out=np.full_like(squares, usual), where=foretold > 0)
    return np.asarray(ratio, dtype=np.float64)


def _estimate(
    triangle: Triangle, shape: Array, level: Array, misses: _Misses, pooled: Array
) -> Estimate:
    arrived, maturity = _so_far(triangle), _at(shape, triangle.ages)
    due = triangle.entered * level * (1.0 - maturity)
    age = np.clip(triangle.ages, 0, triangle.window)
    weight = PRIOR * level
    # A line that nothing was ever foretold for has no spread of its own.
    below = misses.foretold[age] + weight
    above = misses.squares[age] + weight * pooled[age]
    spread = np.divide(above, below, out=pooled[age], where=below > 0)
    low, high = _interval(due, spread, 0.5 if triangle.counted else 0.0)
    most = np.where(triangle.counted, np.maximum(triangle.entered - arrived, 0.0), np.inf)
    open_ = triangle.ages < triangle.window
    ends = (np.minimum(part, most) for part in (due, low, high))
    expected, lowest, highest = (
        np.where(open_, np.round(arrived + part, _DIGITS[triangle.counted]), arrived)
        for part in ends
    )
    return Estimate(expected, lowest, highest, np.round(maturity, 6))


def _interval(mean: Array, spread: Array, half: float) -> tuple[Array, Array]:
    """The 5% and 95% points of a gamma distribution, as Wilson and Hilferty approximate them.

    Counts are whole: `half` is half of the step from one to the next.
    """
    # By the spread and not by its inverse: none at all is the end of ever less of it.
    ninth = np.divide(spread, 9.0 * mean, out=np.zeros_like(mean), where=mean > 0)
    ends = [mean * np.maximum(1.0 - ninth + side * np.sqrt(ninth), 0.0) ** 3 for side in (-_Z, _Z)]
    # Of a very skew distribution the approximation's upper end can fall below the mean.
    low, high = np.minimum(ends[0], mean), np.maximum(ends[1], mean)
    return np.maximum(low - half, 0.0), high + half * (mean > 0)


def _together(triangles: list[Triangle]) -> Triangle:
    return Triangle(
        np.sum([each.entered for each in triangles], axis=0),
        triangles[0].ages,
        np.sum([each.arrived for each in triangles], axis=0),
        triangles[0].counted,
    )


def _nothing(triangle: Triangle) -> Estimate:
    so_far = _so_far(triangle)
    return Estimate(so_far, so_far, so_far, np.where(triangle.ages < triangle.window, 0.0, 1.0))


def _so_far(triangle: Triangle) -> Array:
    return np.asarray((triangle.arrived * triangle.seen).sum(axis=1), dtype=np.float64)


def _at(shape: Array, ages: NDArray[np.int64]) -> Array:
    share = shape[np.clip(ages, 0, len(shape) - 1)]
    return np.where(ages < 0, 0.0, share)


def _over(above: float, below: float) -> float:
    return float(above / below) if below else 0.0
