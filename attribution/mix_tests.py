"""Lift tests as a Bayesian mix model hears them: what a whole week of a channel brings, everywhere.

A test saw some places for some weeks. What it measured is divided by its weeks and by the part of
the channel's money that was spent there, so that it speaks of a week of the whole channel at the
money of those weeks: a point of its response curve. A channel that was off is heard by the weeks
right before, and from the money that was left to it, as the fast model hears it
(`incremental_evidence.while_on`).
"""

from collections.abc import Sequence
from math import exp, log, pi, sqrt
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from scipy.special import log_ndtr

from attribution.models.incremental_design import Floats
from attribution.models.incremental_evidence import (
    OFF,
    fell,
    is_off,
    known_whole,
    span_of_weeks,
    weeks_before,
    whole_tests,
)
from attribution.models.mix_weeks import BY_PLACE, MONEY
from attribution.narrowing import MICROS
from attribution.queries import SPEND, Marts, about

COLUMNS = ("channel", "x", "delta_x", "delta_y", "sigma")
_PLACE = ["location", "service_line"]
_DAYS = 7
_FAR = 100.0  # standard errors below nought: further down rounding would be all that is left


def points(at: Marts, tests: pd.DataFrame, kind: str, channels: Sequence[str]) -> pd.DataFrame:
    """A point of a curve for each test of `kind` on one of `channels`; COLUMNS, a week, in money.

    `tests` are rows of lift_tests.csv. With `delta_x` beside `x` (nothing, or what was left to it
    while it was off) the channel brings `delta_y` more, with a standard error of `sigma`; of a test
    that found nothing or less, what that leaves of a channel that takes nothing away. A test of
    days or places that the data do not know, though of some alone, or of a channel of which
    nothing was spent before it went off, says nothing here: what it brought is that of all of them.
    """
    mine = tests[(tests["kind"] == kind) & tests["channel"].isin(list(channels))]
    if mine.empty:
        return pd.DataFrame({name: [] for name in COLUMNS})
    facts = about(at)
    weeks = pd.date_range(facts.first_week, facts.last_week, freq="7D")
    counted, worth = _counted(at, kind, weeks)
    spent = at.ask(
        sa.select(
            *(SPEND.c[name] for name in ("channel", *_PLACE, "week")),
            sa.func.sum(SPEND.c.spend_micros).label("amount"),
        )
        .where(SPEND.c.currency == facts.currency)
        .group_by(*(SPEND.c[name] for name in ("channel", *_PLACE, "week")))
    )
    known = {name: [*counted.columns.get_level_values(name), *spent[name]] for name in _PLACE}
    mine = known_whole(
        pd.DataFrame(known), pd.DataFrame(dict.fromkeys(_PLACE, "") | {"week": weeks}), mine
    )
    rows = []
    for parts in whole_tests(mine):
        own = _wide(spent[spent["channel"] == parts[0]["channel"]], weeks) / MICROS
        found = point(parts, own, counted, weeks)
        if found is not None:
            left, money, brought, error = found
            rows.append((str(parts[0]["channel"]), left, money, brought * worth, error * worth))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def point(
    parts: Sequence[Any], money: pd.DataFrame, counted: pd.DataFrame, weeks: pd.DatetimeIndex
) -> tuple[float, float, float, float] | None:
    """Money of a week that was left, what came on top of it, what that brings, and its error."""
    increment = float(parts[0]["increment"])
    error = float(parts[0]["standard_error"])
    inside = [(part, _weeks(part, weeks)) for part in parts]
    seen = np.max([weight for _, weight in inside], axis=0)
    if not seen.any():
        return None
    spent, count = (
        sum((_at(frame, [part]) * weight for part, weight in inside), np.zeros(len(weeks)))
        for frame in (money, counted)
    )
    usual = _at(money, parts)
    before = weeks_before(usual, seen, OFF * float(usual.mean()))
    left = 0.0
    around = np.zeros(len(weeks))
    around[span_of_weeks(before)] = 1.0
    then = fell(money.sum(axis=1).to_numpy() - usual, seen, around)
    if is_off(spent.sum() / seen.sum(), float(usual.mean()), then * usual[around > 0]):
        during = float(count.sum()) + increment
        count = _at(counted, parts)
        if not len(before) or during <= 0:
            return None
        left = float(spent.sum() / seen.sum() / usual[before].mean())
        scale = float(count[before].sum()) / during
        increment, error = increment * scale, error * scale
        seen = np.zeros(len(weeks))
        seen[before] = 1.0
        spent, count = usual * seen, count * seen
    whole, all_counted = (frame.sum(axis=1).to_numpy() * seen for frame in (money, counted))
    # Where money names no place, a place has the part of it that it has of what is counted.
    share = _part(spent, whole) or _part(count, all_counted)
    if not share or whole.sum() <= 0:
        return None
    if share < 1:
        error = float(np.hypot(error, BY_PLACE * increment))
    weekly = float(seen.sum()) * share
    paid = float(whole.sum() / seen.sum())
    return left * paid, (1 - left) * paid, *_above_nothing(increment / weekly, error / weekly)


def _above_nothing(brought: float, error: float) -> tuple[float, float]:
    """A result and its error as a curve that only rises can meet them.

    The library refuses a result of nothing or less. What it says of a channel that cannot take
    conversions away is its normal above nought: of that the mean and the standard deviation.
    """
    if brought > 0:
        return brought, error
    at = max(brought / error, -_FAR)
    ratio = exp(-at * at / 2 - log(2 * pi) / 2 - float(log_ndtr(at)))  # density over what is above
    return error * (at + ratio), error * sqrt(1 - at * ratio - ratio * ratio)


def _part(some: Floats, whole: Floats) -> float:
    return float(min(some.sum() / whole.sum(), 1.0)) if whole.sum() > 0 else 0.0


def _weeks(part: Any, weeks: pd.DatetimeIndex) -> Floats:
    """The part of each week that lies inside a test."""
    first, last = pd.Timestamp(part["first_day"]), pd.Timestamp(part["last_day"])
    begins = np.array([max(week, first) for week in weeks])
    ends = np.array([min(week + pd.Timedelta(days=_DAYS), last + pd.Timedelta(days=1))
                     for week in weeks])  # fmt: skip
    days = np.array([(end - begin).days for begin, end in zip(begins, ends, strict=True)])
    found: Floats = np.clip(days, 0, _DAYS) / _DAYS
    return found


def _at(frame: pd.DataFrame, parts: Sequence[Any]) -> Floats:
    """A course of weeks, of the places of some rows of a test; an empty name means all.

    A switchback has a row for each place and block that is off: every place counts once.
    """
    chosen = np.zeros(frame.shape[1], dtype=bool)
    for part in parts:
        mine = np.ones(frame.shape[1], dtype=bool)
        for name in _PLACE:
            if part[name]:
                mine &= frame.columns.get_level_values(name) == part[name]
        chosen |= mine
    found: Floats = frame.loc[:, chosen].sum(axis=1).to_numpy("float64")
    return found


def _counted(at: Marts, kind: str, weeks: pd.DatetimeIndex) -> tuple[pd.DataFrame, float]:
    """Conversions by week and place, and what one counts: tests of `collected` count payments.

    Money is that of reports, as of what is counted: payments in others bring none of it.
    """
    names = ("kind", *_PLACE, "week", "currency", "conversions", "value_micros")
    mart = sa.table("conversions", *map(sa.column, names))
    money = sa.case((mart.c.currency == about(at).currency, mart.c.value_micros), else_=0)
    grain = [mart.c[name] for name in (*_PLACE, "week")]
    found = at.ask(
        sa.select(
            *grain,
            sa.func.sum(mart.c.conversions).label("amount"),
            sa.func.sum(money).label("value"),
        )
        .where(mart.c.kind == kind)
        .group_by(*grain)
    )
    worth = 1.0
    if kind == MONEY:
        worth = float(found["value"].sum()) / MICROS / max(float(found["amount"].sum()), 1.0)
    return _wide(found, weeks), worth


def _wide(rows: pd.DataFrame, weeks: pd.DatetimeIndex) -> pd.DataFrame:
    """A column for each place and service line, a row a week."""
    own = rows.assign(week=pd.to_datetime(rows["week"]), amount=rows["amount"].astype("float64"))
    wide = own.pivot_table(index="week", columns=_PLACE, values="amount", aggfunc="sum")
    return wide.reindex(weeks).fillna(0.0)
