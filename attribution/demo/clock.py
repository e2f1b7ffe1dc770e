"""Minutes within a week: people browse by day and evening, clinics work in office hours."""

import numpy as np

from attribution.demo.draws import Draws, Floats, Ints

DAY = 1440
WEEK = 7 * DAY
_BROWSE_DAYS = np.cumsum([0.155, 0.155, 0.15, 0.145, 0.13, 0.125, 0.14])
_WORK_DAYS = np.cumsum([0.23, 0.21, 0.20, 0.20, 0.16])


def browse_minute(draws: Draws, stream: int, week: int | Ints, at: Ints) -> Ints:
    """When in `week` a person does a thing of this stream; never between 23:30 and 6:30.

    The night is left out so that no wall clock time is skipped or doubled when clocks change.
    """
    uniform = draws.uniform(stream, week, at)
    return np.asarray(week, dtype=np.int64) * WEEK + _spread(uniform, _BROWSE_DAYS, 390, 1410)


def office_minute(uniform: Floats, week: Ints) -> Ints:
    """A quarter of an hour on a working day of `week`, from 8:00 to 16:45."""
    inside = _spread(uniform, _WORK_DAYS, 480, 1020)
    return week * WEEK + inside // 15 * 15


def next_morning(minute: Ints) -> Ints:
    """The same instant by day; at night, 8:00 of the next morning."""
    of_day = minute % DAY
    late = of_day > 1410
    early = of_day < 390
    moved = np.where(late, minute - of_day + DAY + 480, minute)
    return np.where(early, minute - of_day + 480, moved)


def _spread(uniform: Floats, days: Floats, opens: int, closes: int) -> Ints:
    scaled = uniform * days[-1]
    day = np.minimum(np.searchsorted(days, scaled, side="right"), len(days) - 1)
    floor = np.concatenate([[0.0], days])[day]
    within = (scaled - floor) / (days[day] - floor)
    # More towards midday than at the edges.
    shaped = 0.5 + 0.5 * np.sign(within - 0.5) * np.abs(2 * within - 1) ** 1.3
    minute: Ints = (day * DAY + opens + shaped * (closes - opens - 1)).astype(np.int64)
    return minute
