"""Which weekly series are forecast: totals, the largest parts of each dimension, and what is left.

The parts of a dimension and its rest make up the total in every week, so forecasts of them can be
made to add up (`forecast_reconcile.py`).
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TOTAL = "total"
DIMENSIONS = ("channel", "service_line", "location")
SPEND = "spend"
METRICS = ("lead", "booked", "kept", "new_patient", "collected", SPEND)
MONEY = frozenset({"collected", SPEND})
ALL, REST = "(all)", "(others)"
UNNAMED = frozenset({"unattributed", "unassigned", "unmapped"})  # no member that could be chosen
LEAST = 5.0  # a week, on average: below it weeks are mostly chance, and go into the rest
YEAR = 52
SHORTEST = 39  # weeks: a quarter to be tested on, and twice that to learn from
LONGEST = 3 * YEAR  # older habits say little of the next quarter
_BEGINNING = 13  # at most so many weeks at the start are taken for a source that was being set up


@dataclass(frozen=True, slots=True)
class Key:
    """What a series counts: a number, and the member of a dimension that it is of."""

    metric: str
    dimension: str
    member: str


@dataclass(frozen=True, slots=True)
class Series:
    """One number by week, from the Monday `first` on without a gap; money in micros."""

    key: Key
    first: date
    values: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.values)

    def monday(self, place: int) -> date:
        """The week at a place; places beyond the end are weeks to come."""
        return date.fromordinal(self.first.toordinal() + 7 * place)


def chosen(frame: pd.DataFrame, *, members: int, settle_weeks: int = 0) -> list[Series]:
    """The series of `frame` (columns metric, dimension, member, week, value), totals first.

    Of each dimension the `members` largest in the last year, as far as they have `LEAST` a week
    then: what was renamed or given up before is nothing to be planned. A number ends with the last
    week that its source reported, less `settle_weeks` that may still be restated; a number with
    fewer than `SHORTEST` weeks has no series.
    """
    found: list[Series] = []
    weeks = pd.to_datetime(frame["week"])
    for metric in METRICS:
        own = frame[frame["metric"] == metric].assign(week=weeks)
        whole = own[own["dimension"] == TOTAL]
        if whole.empty:
            continue
        span = pd.date_range(whole["week"].min(), whole["week"].max(), freq="7D")
        span = span[: len(span) - settle_weeks][-LONGEST:]
        span = span[_begun(_wide(whole, span).sum(axis=1).to_numpy(dtype="float64")) :]
        if len(span) >= SHORTEST:
            for dimension in (TOTAL, *DIMENSIONS):
                wide = _wide(own[own["dimension"] == dimension], span)
                found += _of(metric, dimension, wide, members)
    return found


def _wide(rows: pd.DataFrame, span: pd.DatetimeIndex) -> pd.DataFrame:
    """A column a member; a week that a member does not have is nought."""
    wide = rows.pivot_table(index="week", columns="member", values="value", aggfunc="sum")
    return wide.reindex(span).fillna(0.0)


def _begun(values: Floats) -> int:
    """How many weeks at the start are those of a source that had only just begun to be read."""
    usual = float(np.median(values[: 2 * _BEGINNING])) if len(values) else 0.0
    begun = np.flatnonzero(values >= usual / 2)
    return min(int(begun[0]), _BEGINNING) if len(begun) else 0


def _of(metric: str, dimension: str, wide: pd.DataFrame, members: int) -> list[Series]:
    if wide.empty:
        return []
    first = pd.Timestamp(wide.index[0]).date()

    def series(member: str, values: "pd.Series[float]") -> Series:
        return Series(Key(metric, dimension, member), first, tuple(float(v) for v in values))

    if dimension == TOTAL:
        return [series(ALL, wide.sum(axis=1))]
    least = LEAST * (1e6 if metric in MONEY else 1.0)
    sizes = wide.iloc[-YEAR:].drop(columns=list(UNNAMED & set(wide.columns))).mean()
    # By name where equally large, so that the same data give the same series.
    ranked = sorted(((-size, str(name)) for name, size in sizes.items() if size >= least))
    named = [name for _, name in ranked[:members]]
    if not named:
        return []
    rest = wide.drop(columns=named)
    left = [series(REST, rest.sum(axis=1))] if rest.to_numpy().any() else []
    return [*(series(name, wide[name]) for name in named), *left]
