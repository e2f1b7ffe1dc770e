"""Questions of the marketing mix: what each channel brings, its curve, and where its money goes."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
import sqlalchemy as sa

from attribution.models.incremental_design import UNASSIGNED, Floats
from attribution.models.mix_weeks import fitted_weeks
from attribution.models.response import Curves
from attribution.narrowing import MICROS
from attribution.queries import SPEND, Marts, about

_FACTS = ("spend", "today", "least", "most")
CHANNELS = sa.table(
    "mix_channels",
    *map(sa.column, ("kind", "channel", "brought", "low", "high", *_FACTS, "evidence", "known")),
    *map(sa.column, ("lift_tests", "holdouts", "weeks")),
)
CURVES = sa.table(
    "mix_curves",
    *map(sa.column, ("kind", "channel", "draw", "top", "half", *_FACTS)),
    *map(sa.column, ("lift_tests", "holdouts")),
)
TESTED = ("weeks and lift test", "weeks and holdout")
NOT_IDENTIFIED = "not identified"
YEAR = 52  # weeks, the last that were fitted: what the model says of a channel is of these
QUARTER = 13  # weeks, the last that are whole: of them is today's money
_OUTREACH = "outreach_%"


@dataclass(frozen=True, slots=True)
class Response:
    """The curves of every channel that money went into, for one kind of conversion.

    Money a week: `now` of the last quarter, `least` and `most` of any four weeks. `tested` says
    whether an experiment was heard of the channel.
    """

    kind: str
    channels: tuple[str, ...]
    curves: Curves
    now: Floats
    least: Floats
    most: Floats
    tested: tuple[bool, ...]


def mix_channels(at: Marts, kind: str) -> pd.DataFrame:
    """What the mix model says of each channel in the last year, most spend first.

    Columns: channel, brought, low, high, spend, today, least, most, evidence, known, lift_tests,
    holdouts, weeks. Amounts of `collected` are money.
    """
    columns = [column for column in CHANNELS.c if column.name != "kind"]
    statement = (
        sa.select(*columns)
        .where(CHANNELS.c.kind == kind)
        .order_by(CHANNELS.c.spend.desc(), CHANNELS.c.channel)
    )
    return at.ask(statement)


def response(at: Marts, kind: str) -> Response | None:
    """The curves of one kind, of channels that money buys; None where nothing was learned."""
    statement = (
        sa.select(*(column for column in CURVES.c if column.name != "kind"))
        .where(
            CURVES.c.kind == kind,
            CURVES.c.spend > 0,
            CURVES.c.half > 0,
            # People, not money, are what messages run out of.
            CURVES.c.channel.not_like(_OUTREACH),
        )
        .order_by(CURVES.c.channel, CURVES.c.draw)
    )
    drawn = at.ask(statement)
    if drawn.empty:
        return None
    channels = tuple(str(name) for name in drawn["channel"].unique())
    every = {
        name: drawn[name].to_numpy("float64").reshape(len(channels), -1).T
        for name in ("top", "half", "today", "least", "most", "lift_tests", "holdouts")
    }
    heard = every["lift_tests"][0] + every["holdouts"][0] > 0
    return Response(
        kind,
        channels,
        Curves(every["top"], every["half"]),
        every["today"][0],
        every["least"][0],
        every["most"][0],
        tuple(bool(one) for one in heard),
    )


def without_curve(at: Marts, planned: Collection[str]) -> tuple[str, ...]:
    """Channels that got money in the last quarter, of any currency, and are not `planned`.

    What is of no known channel can never be planned.
    """
    last = about(at).last_week
    since = last - pd.Timedelta(weeks=QUARTER - 1).to_pytimedelta()
    paid = at.ask(
        sa.select(SPEND.c.channel)
        .where(
            SPEND.c.week.between(since, last),
            SPEND.c.channel.not_like(_OUTREACH),
            SPEND.c.channel != "unmapped",
        )
        .group_by(SPEND.c.channel)
        .having(sa.func.sum(SPEND.c.spend_micros) > 0)
        .order_by(SPEND.c.channel)
    )
    return tuple(str(name) for name in paid["channel"] if name not in planned)


def line_shares(at: Marts, channels: tuple[str, ...]) -> pd.DataFrame:
    """Which part of each channel's money of the last year was for which service line.

    A row for each named service line, a column for each channel. Money for no line in particular
    goes to all of them, by how many bookings each has. What is booked for weeks to come, flights
    and visits, is no part of the year.
    """
    mart = sa.table("conversions", *map(sa.column, ("kind", "service_line", "week", "conversions")))
    facts = about(at)
    year = (facts.last_week - pd.Timedelta(weeks=YEAR - 1).to_pytimedelta(), facts.last_week)
    counted = at.ask(
        sa.select(mart.c.service_line, sa.func.sum(mart.c.conversions).label("n"))
        .where(
            mart.c.kind == "booked",
            mart.c.week.between(*year),
            mart.c.service_line != UNASSIGNED,
        )
        .group_by(mart.c.service_line)
        .order_by(mart.c.service_line)
    )
    spent = at.ask(
        sa.select(
            SPEND.c.channel, SPEND.c.service_line, sa.func.sum(SPEND.c.spend_micros).label("money")
        )
        .where(SPEND.c.week.between(*year), SPEND.c.currency == facts.currency)
        .group_by(SPEND.c.channel, SPEND.c.service_line)
    )
    lines = [str(line) for line in counted["service_line"]]
    weight = counted["n"].astype("float64").to_numpy()
    weight = weight / max(float(weight.sum()), 1.0)
    shares = pd.DataFrame(0.0, index=lines, columns=list(channels))
    for channel in channels:
        own = spent[spent["channel"] == channel].set_index("service_line")["money"]
        own = own.astype("float64") / MICROS
        named = own.reindex(lines).fillna(0.0).to_numpy()
        whole = float(own.sum())
        if lines and whole > 0:
            shares[channel] = (named + (whole - float(named.sum())) * weight) / whole
        elif lines:
            shares[channel] = weight
    return shares


def weekly(at: Marts, kind: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """A row a week: `week`, `counted` of the kind and the money of each channel; and the channels.

    The weeks are those that the mix model fits of the kind, from the first spend on: visits may be
    told for years before it, of which nobody knows what was on. Money is in the report's currency.
    """
    facts = about(at)
    paid = SPEND.c.channel != "unmapped"
    begins = at.ask(sa.select(sa.func.min(SPEND.c.week).label("week")).where(paid))["week"].iloc[0]
    mart = sa.table(
        "conversions", *map(sa.column, ("kind", "week", "currency", "conversions", "value_micros"))
    )
    amount = mart.c.value_micros if kind == "collected" else mart.c.conversions
    within = [mart.c.kind == kind]
    if kind == "collected":
        within.append(mart.c.currency == facts.currency)
    counted = at.ask(
        sa.select(mart.c.week, sa.func.sum(amount).label("counted"))
        .where(*within)
        .group_by(mart.c.week)
    )
    spent = at.ask(
        sa.select(SPEND.c.week, SPEND.c.channel, sa.func.sum(SPEND.c.spend_micros).label("money"))
        .where(SPEND.c.currency == facts.currency, paid)
        .group_by(SPEND.c.week, SPEND.c.channel)
    )
    course = counted.assign(week=pd.to_datetime(counted["week"])).set_index("week")["counted"]
    last = pd.Timestamp(facts.last_week)
    first = pd.Timestamp(facts.first_week if pd.isna(begins) else begins)
    weeks = pd.date_range(first, max([last, *course.index]), freq="7D")
    course = course.astype("float64").reindex(weeks).fillna(0.0)
    weeks = weeks[fitted_weeks(np.asarray(course, dtype="float64"))]
    weeks = weeks[weeks <= last]
    course = course[weeks]
    money = spent.assign(
        week=pd.to_datetime(spent["week"]), money=spent["money"].astype("float64") / MICROS
    ).pivot_table(index="week", columns="channel", values="money", aggfunc="sum")
    money = money.reindex(weeks).fillna(0.0)
    money = money.loc[:, money.sum() > 0]
    if kind == "collected":
        course = course / MICROS
    frame = money.reset_index(names="week")
    frame.insert(1, "counted", np.asarray(course))
    return frame, tuple(str(name) for name in money.columns)


def tested_channels(at: Marts) -> frozenset[str]:
    """The channels of which an experiment was heard, by the mix model or by places and weeks."""
    mart = sa.table("incremental", *map(sa.column, ("channel", "lift_tests", "holdouts")))
    heard = [
        sa.select(table.c.channel).where(table.c.lift_tests + table.c.holdouts > 0)
        for table in (CHANNELS, mart)
    ]
    return frozenset(at.ask(sa.union(*heard))["channel"])


def clicked_channels(at: Marts) -> frozenset[str]:
    """The channels on which somebody ever clicked."""
    return frozenset(
        at.ask(sa.select(SPEND.c.channel).where(SPEND.c.clicks > 0).distinct())["channel"]
    )
