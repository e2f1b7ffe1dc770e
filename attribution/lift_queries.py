"""Questions of lift tests: what was counted and spent in each market, week by week."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import sqlalchemy as sa

from attribution.models.incremental_design import UNASSIGNED, Floats
from attribution.models.lift_panel import Market, Panel
from attribution.narrowing import MICROS
from attribution.queries import CONVERSIONS, SPEND, Marts, about, reported_until

_RECENT = 26  # weeks that say how a channel's money is spent
_SMALLEST = 1.0  # a week, in the mean of the last year: below it a market tells nothing


@dataclass(frozen=True, slots=True)
class Money:
    """What was spent, market x week in money of reports; `shared` is the part for no market alone.

    `own` is the tested channel's, `others` that of all other channels. `recent` is the
    tested channel's money of the last half year, wherever; `shared` is of it.
    """

    own: Floats
    others: Floats
    shared: float
    recent: float


def panel(at: Marts, kind: str, *, by_line: bool) -> Panel:
    """Conversions of a kind in each market and whole week; markets too small to tell are left out.

    A market is a location, or with `by_line` a service line at a location.
    """
    facts = about(at)
    line = CONVERSIONS.c.service_line if by_line else sa.literal("").label("service_line")
    within = [CONVERSIONS.c.kind == kind, CONVERSIONS.c.location != UNASSIGNED]
    if by_line:
        within.append(CONVERSIONS.c.service_line != UNASSIGNED)
    counted = at.ask(
        sa.select(
            CONVERSIONS.c.location, line, CONVERSIONS.c.week,
            sa.func.sum(CONVERSIONS.c.conversions).label("n"),
        )
        .where(*within)
        .group_by(CONVERSIONS.c.location, CONVERSIONS.c.service_line, CONVERSIONS.c.week)
    )  # fmt: skip
    weeks = pd.date_range(facts.first_week, facts.last_week, freq="7D")
    empty = Panel((), weeks.to_numpy().astype("datetime64[D]"), np.zeros((0, len(weeks))))
    if counted.empty:
        return empty
    counted = counted.assign(week=pd.to_datetime(counted["week"]), n=counted["n"].astype("float64"))
    wide = counted.pivot_table(
        index=["location", "service_line"], columns="week", values="n", aggfunc="sum"
    )
    # A kind was not reported before its first conversion; the first week is hardly ever whole.
    first = pd.Timestamp(wide.columns.min()) + pd.Timedelta(weeks=1)
    # Weeks that its source has not told yet are none in which nothing came.
    last = reported_until(pd.Timestamp(wide.columns.max()), facts)
    weeks = weeks[(weeks >= first) & (weeks <= last)]
    wide = wide.reindex(columns=weeks).fillna(0.0)
    wide = wide[wide.iloc[:, -52:].mean(axis=1) >= _SMALLEST].sort_index()
    markets = tuple((str(location), str(name)) for location, name in wide.index)
    return Panel(markets, weeks.to_numpy().astype("datetime64[D]"), wide.to_numpy("float64"))


def money(at: Marts, channel: str, told: Panel) -> Money:
    """What was spent where, in the weeks of a panel and in money of reports."""
    facts = about(at)
    spent = at.ask(
        sa.select(
            SPEND.c.channel, SPEND.c.location, SPEND.c.service_line, SPEND.c.week,
            sa.func.sum(SPEND.c.spend_micros).label("money"),
        )
        .where(SPEND.c.currency == facts.currency)
        .group_by(SPEND.c.channel, SPEND.c.location, SPEND.c.service_line, SPEND.c.week)
    )  # fmt: skip
    spent = spent.assign(
        week=pd.to_datetime(spent["week"]), money=spent["money"].astype("float64") / MICROS
    )
    mine = spent["channel"] == channel
    own = _placed(spent[mine], told)
    since = max(len(told.weeks) - _RECENT, 0)
    recent = spent[mine & spent["week"].isin(told.weeks[since:])]
    whole = float(recent["money"].sum())
    alone = sum(float(_of(recent, market)["money"].sum()) for market in told.markets)
    elsewhere = _elsewhere(recent, told)
    shared = max(whole - alone - elsewhere, 0.0) / whole if whole > 0 else 0.0
    return Money(own, _placed(spent[~mine], told), shared, whole)


def _placed(spent: pd.DataFrame, told: Panel) -> Floats:
    rows = np.zeros((len(told.markets), len(told.weeks)))
    weeks = pd.DatetimeIndex(told.weeks)
    for place, market in enumerate(told.markets):
        by_week = _of(spent, market).groupby("week")["money"].sum()
        rows[place] = by_week.reindex(weeks).fillna(0.0).to_numpy("float64")
    return rows


def _of(spent: pd.DataFrame, market: Market) -> pd.DataFrame:
    location, line = market
    mine = spent["location"] == location
    if line:
        mine &= spent["service_line"] == line
    return spent[mine]


def _elsewhere(spent: pd.DataFrame, told: Panel) -> float:
    """Money for markets that are too small to be in the panel: it reaches none that is."""
    named = spent["location"] != UNASSIGNED
    by_line = any(line for _, line in told.markets)
    if by_line:
        named &= spent["service_line"] != UNASSIGNED
    known = set(told.markets)
    places = zip(spent["location"], spent["service_line"], strict=True)
    outside = [((place, line if by_line else "") not in known) for place, line in places]
    return float(spent["money"][named & np.array(outside, dtype=bool)].sum())


def paid_channels(at: Marts) -> tuple[str, ...]:
    """Channels that money went into, most of it first: those that can be switched off."""
    rows = at.ask(
        sa.select(SPEND.c.channel, sa.func.sum(SPEND.c.spend_micros).label("money"))
        .where(SPEND.c.channel != "unmapped")
        .group_by(SPEND.c.channel)
        .having(sa.func.sum(SPEND.c.spend_micros) > 0)
        .order_by(sa.func.sum(SPEND.c.spend_micros).desc(), SPEND.c.channel)
    )
    return tuple(str(name) for name in rows["channel"])
