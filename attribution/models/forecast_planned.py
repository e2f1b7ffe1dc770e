"""What planned budgets say of the weeks to come: of the spend itself, and of what spend drives.

Spend is foretold as the plan times the part of it that was lately spent: where no place is named
in a plan, the part of one place is learned in the same way. Whatever else is counted is foretold as

    level * (1 + theta * (course of the plan - 1))

with the course of a mean of 1, carried over and saturated as a power of the plan (diminishing
returns), and the level smoothed as in simple exponential smoothing. How much hangs on the plan,
`theta`, is held towards nothing by an exponential prior, and searched on a grid with the rest.
"""

from collections.abc import Sequence, Set
from datetime import date

import numpy as np
import pandas as pd

from attribution.models.forecast_calendar import days_in, meant, within
from attribution.models.forecast_series import DIMENSIONS, Floats, Key
from attribution.models.forecast_smoothing import smoothed

LEARNED = 13  # weeks before a test of which the plan must be known
AHEAD = 4  # weeks to come of which it must be; after its end its mean week goes on
_LASTS = 26  # weeks that this mean is of
_DRIVEN = np.array([0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9])
_LEVELS = np.array([1e-4, 0.01, 0.03, 0.05, 0.08, 0.12, 0.17, 0.23, 0.3, 0.4, 0.5])
_KEPT = (0.0, 0.5)  # of what pressed, a week later
_POWER = 0.7
_PRIOR = 0.05  # mean of theta beforehand: most numbers hardly hang on budgets
_FLAT = 0.02  # of a course: what varies less tells nothing
_FIRST, _CARRIED = 10, 8  # weeks from which the level and the carry-over begin


def planned_of(
    key: Key, mondays: Sequence[date], planned: pd.DataFrame, named: Set[str] = frozenset()
) -> tuple[float, ...] | None:
    """Money that was planned for each week of what a series is of, NaN where no plan was made.

    `planned` has channel, service_line, location, first_day, last_day and spend_per_week; an
    empty dimension means all, an empty day no end. `named` are the members of the dimension that
    have a series of their own. None where nothing is planned of it.
    """
    days = days_in(mondays)
    money, stated = np.zeros(len(days)), np.zeros(len(days), dtype=bool)
    for row in planned.to_dict("records"):
        told = within(days, str(row["first_day"]), str(row["last_day"]))
        stated |= told.any(axis=1)
        if all(meant(key, name, str(row[name]), named) for name in DIMENSIONS):
            money += told.mean(axis=1) * float(row["spend_per_week"])
    if not money.any():
        return None
    return tuple(map(float, np.where(stated, money, np.nan)))


def usable(planned: Sequence[float] | None, first_test: int, length: int) -> bool:
    """Whether a plan reaches from before the first test of a series over its next weeks."""
    if planned is None:
        return False
    begins, ends = max(first_test - LEARNED, 0), length + AHEAD
    return len(planned) >= ends and bool(np.isfinite(planned[begins:ends]).all())


def as_planned(values: Floats, planned: Floats, horizon: int) -> Floats:
    """Spend of the next weeks: the plan, times what was lately spent of it."""
    length = len(values)
    plan = _whole(planned, length + horizon)
    on = np.flatnonzero(plan[:length] > 0)
    if len(on) < _FIRST:  # too few to smooth: of all that was planned, what was spent
        told = np.isfinite(plan[:length])
        whole = max(float(plan[:length][told].sum()), 1e-9)
        return np.asarray(plan[length:] * values[told].sum() / whole)
    part = values[on] / plan[on]
    unit = float(part.mean()) or 1.0
    return np.asarray(plan[length:] * np.clip(smoothed(part / unit, horizon) * unit, 0.0, None))


def driven(values: Floats, planned: Floats, horizon: int) -> Floats:
    """What budgets drive, in the next weeks; where the plan is flat, plain smoothing.

    Learned from the newest weeks that were all planned: of a gap nobody knows what was to press.
    """
    length = len(values)
    plan = _whole(planned, length + horizon)
    begun = int(np.flatnonzero(~np.isfinite([np.nan, *plan]))[-1])
    seen, plan = values[begun:], plan[begun:]
    best, answer = -np.inf, values[:0]
    for kept in _KEPT:
        course = _carried(plan**_POWER, kept)
        course = course / course[: len(seen)].mean()
        if np.ptp(course[: len(seen)]) < _FLAT:
            return smoothed(values, horizon)
        chance, said = _searched(seen, course)
        if chance > best:
            best, answer = chance, said
    return answer


def _searched(values: Floats, course: Floats) -> tuple[float, Floats]:
    """The likeliest of all settings: its log posterior, and what it says after `values`."""
    weeks = len(values)
    factor = 1 + _DRIVEN[:, None] * (course - 1)
    level = np.full((len(_DRIVEN), len(_LEVELS)), values[:_FIRST].mean())
    squares = np.zeros_like(level)
    for week, value in enumerate(values):
        now = factor[:, week, None]
        missed = value - level * now
        squares += missed * missed
        level = level + _LEVELS * missed / np.maximum(now, 0.2)
    chance = -0.5 * weeks * np.log(np.maximum(squares, 1e-12) / weeks) - _DRIVEN[:, None] / _PRIOR
    at, weight = np.unravel_index(int(np.argmax(chance)), chance.shape)
    return float(chance[at, weight]), np.asarray(level[at, weight] * factor[at, weeks:])


def _whole(planned: Floats, until: int) -> Floats:
    """The plan until a week; after its end its mean week goes on."""
    plan = planned[:until].copy()
    known = np.flatnonzero(np.isfinite(plan))
    plan[known[-1] + 1 :] = plan[known[-_LASTS:]].mean()
    return plan


def _carried(course: Floats, kept: float) -> Floats:
    level, found = float(course[:_CARRIED].mean()), np.empty_like(course)
    for week, now in enumerate(course):
        level = kept * level + (1 - kept) * now
        found[week] = level
    return found
