"""What is known of weeks in advance: public holidays, promotions, and how many can be seen.

A regressor is a number for every week of a series and of its horizon. It is used only where it
varies in the weeks that a model learns from: of what never happened before nothing can be learned.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from attribution.models.forecast_series import DIMENSIONS, REST, TOTAL, Floats, Key
from attribution.models.forecast_stated import PLACED, SEEN, spelt

CLOSED, PROMOTED, CAPACITY = "closed_days", "promotion", "capacity"
_OPEN_DAYS = 5
Days = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the weeks of one series: regressors by name, and the most there can be.

    `cap` is NaN in weeks for which nobody stated it; `planned` is money that budgets have for each
    week (`forecast_planned.py`), NaN without a plan;
    `booked` what stood in the calendar of each week before it came (`forecast_booked.py`).
    """

    regressors: Mapping[str, tuple[float, ...]]
    cap: tuple[float, ...] | None = None
    planned: tuple[float, ...] | None = None
    booked: tuple[tuple[float, ...], ...] | None = None


def holidays_of(country: str, first: date, last: date) -> frozenset[date]:
    """The public holidays of a country that fall on Monday to Friday; none where unknown.

    Raises ImportError where the extra `forecast` is not installed.
    """
    import holidays

    try:
        days = holidays.country_holidays(country, years=range(first.year, last.year + 1))
    except NotImplementedError:
        return frozenset()
    return frozenset(day for day in days if first <= day <= last and day.weekday() < _OPEN_DAYS)


def known_of(
    key: Key,
    mondays: Sequence[date],
    closed: frozenset[date],
    promotions: pd.DataFrame,
    capacity: pd.DataFrame,
    planned: tuple[float, ...] | None = None,
    named: Set[str] = frozenset(),
) -> Known:
    """What is known of a series in `mondays`, those to come included.

    `promotions` has name, first_day, last_day and the dimensions; `capacity` service_line,
    location, first_day, last_day and visits_per_week. An empty dimension means all, an empty day
    no end. `named` are the members of the dimension that have a series of their own.
    """
    regressors = {
        CLOSED: np.array([_days_closed(monday, closed) for monday in mondays], dtype="float64"),
        PROMOTED: _promoted(key, mondays, promotions, named),
    }
    cap = _cap(key, mondays, capacity)
    if cap is not None and np.isfinite(cap).all():  # of weeks without it nothing can be learned
        regressors[CAPACITY] = cap / cap.mean()
    return Known(
        {name: tuple(map(float, values)) for name, values in regressors.items() if np.ptp(values)},
        None if cap is None else tuple(map(float, cap)),
        planned,
    )


def _days_closed(monday: date, days: frozenset[date]) -> int:
    return sum(monday + timedelta(days=place) in days for place in range(_OPEN_DAYS))


def _promoted(
    key: Key, mondays: Sequence[date], promotions: pd.DataFrame, named: Set[str]
) -> Floats:
    """The share of each week's days on which something that touches the series was promoted."""
    days = days_in(mondays)
    on = np.zeros(days.shape, dtype=bool)
    for row in promotions.to_dict("records"):
        if all(meant(key, name, str(row[name]), named) for name in DIMENSIONS):
            on |= within(days, str(row["first_day"]), str(row["last_day"]))
    share: Floats = on.mean(axis=1)
    return share


def meant(key: Key, dimension: str, member: str, named: Set[str]) -> bool:
    """Whether something about a member (or all, '') touches a series; a total is touched by all.

    What is left is touched by whatever is not among the `named`.
    """
    name = spelt(member)
    if not name or key.dimension != dimension:
        return True
    if key.member == REST:
        return name not in {spelt(other) for other in named}
    return spelt(key.member) == name


def _cap(key: Key, mondays: Sequence[date], capacity: pd.DataFrame) -> Floats | None:
    """How many can be seen in each week: the whole house for totals, a member's own otherwise.

    NaN in weeks of which a day is not stated; None where none is.
    """
    if key.metric != SEEN or key.dimension == "channel":
        return None
    own = dict.fromkeys(PLACED, "")
    if key.dimension != TOTAL:
        own[key.dimension] = spelt(key.member)
    days = days_in(mondays)
    cap, stated = np.zeros(len(days)), np.zeros(days.shape, dtype=bool)
    for row in capacity.to_dict("records"):
        if all(spelt(str(row[name])) == member for name, member in own.items()):
            told = within(days, str(row["first_day"]), str(row["last_day"]))
            cap += told.mean(axis=1) * float(row["visits_per_week"])
            stated |= told
    whole = stated.all(axis=1)
    return np.where(whole, cap, np.nan) if whole.any() else None


def days_in(mondays: Sequence[date]) -> Days:
    """The days of each week, week x 7, as `date.toordinal` counts them."""
    first = np.array([monday.toordinal() for monday in mondays], dtype=np.int64)
    return np.asarray(first[:, None] + np.arange(7))


def within(days: Days, first: str, last: str) -> Flags:
    """Which days lie from `first` to `last`; an empty one has no end."""
    begin = date.fromisoformat(first).toordinal() if first else 0
    end = date.fromisoformat(last).toordinal() if last else date.max.toordinal()
    return np.asarray((days >= begin) & (days <= end))
