"""The budgets that the demo's planners decided on: what a marketing plan on paper has of them.

Flights, pushes and pauses are planned. How money then moves between places every few weeks, from
week to week, and with demand, is not: what was spent differs from the plan as it does in life.
"""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pandas as pd

from attribution.demo.budgets import flights, pushes
from attribution.demo.draws import Floats
from attribution.demo.knobs import STANDARD, Knobs
from attribution.demo.market import (
    CHANNEL_OF,
    LOCATIONS,
    PAID,
    Calendar,
    weekly_budget,
)

COLUMNS = (
    *("channel", "service_line", "location", "first_day", "last_day"),
    *("spend_per_week", "note"),
)
_AHEAD = 26  # weeks after the last simulated one that are planned already


def planned_spend(
    seed: int, calendar: Calendar, people: int, knobs: Knobs = STANDARD
) -> pd.DataFrame:
    """The rows of `planned_spend.csv`, COLUMNS: whole dollars a week, from one day to another."""
    weeks = calendar.weeks + _AHEAD
    money: dict[str, Floats] = {}
    for number, lever in enumerate(PAID):
        moved = pushes(seed, number, lever, weeks) * flights(lever, weeks)
        course = weekly_budget(knobs.budget(lever) * moved, lever, people)
        channel = CHANNEL_OF[lever]
        money[channel] = money.get(channel, np.zeros_like(course)) + course
    rows = [
        {
            "channel": channel,
            "service_line": "",
            "location": LOCATIONS[place],
            "first_day": f"{calendar.start + timedelta(days=7 * first)}",
            "last_day": f"{calendar.start + timedelta(days=7 * end - 1)}",
            "spend_per_week": f"{dollars:.0f}",
            "note": "",
        }
        for channel, course in money.items()
        for place in range(course.shape[1])
        for first, end, dollars in _spans(course[:, place].round())
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _spans(course: Floats) -> Iterator[tuple[int, int, float]]:
    """From which week to before which one the same is planned, and how much."""
    changes = np.flatnonzero(np.diff(course)) + 1
    ends = [*changes.tolist(), len(course)]
    for first, end in zip([0, *changes.tolist()], ends, strict=True):
        yield first, end, float(course[first])
