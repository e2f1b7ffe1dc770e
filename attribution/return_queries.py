"""Questions about who is silent today, how likely they return unasked, and what a message adds."""

import pandas as pd
import sqlalchemy as sa

from attribution.queries import MICROS, REACTIVATION, SPEND, Marts, Scope

GROUP = ("months_silent", "service_line")
CHANNELS = {"outreach_email": "email_people", "outreach_sms": "sms_people"}
REACH_NEXT = sa.table(
    "reach_next",
    *map(sa.column, (*GROUP, "location", "currency", "people", *CHANNELS.values())),
    *map(sa.column, ("returns", "value_micros")),
)
RETURN_LIFT = sa.table(
    "return_lift",
    *map(sa.column, ("channel", "months_silent", "treated", "held_out", "lift", "low", "high")),
)
CALIBRATION = sa.table(
    "return_calibration",
    *map(sa.column, ("decile", "people", "predicted", "observed", "low", "high")),
)


def silent_today(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """Who is silent on the last day, in the scope's service lines and locations.

    Columns: months_silent, service_line, people, email_people, sms_people, returns (expected
    unasked within six months), value (of one return, in `currency`).
    """
    mart = REACH_NEXT
    counts = [sa.func.sum(mart.c[name]).label(name) for name in ("people", *CHANNELS.values())]
    value = sa.func.sum(mart.c.value_micros * mart.c.people) / sa.func.sum(mart.c.people)
    statement = (
        sa.select(
            *(mart.c[name] for name in GROUP),
            *counts,
            sa.func.sum(mart.c.returns).label("returns"),
            (value / MICROS).label("value"),
        )
        .where(mart.c.currency == currency)
        .group_by(*(mart.c[name] for name in GROUP))
        .order_by(*(mart.c[name] for name in GROUP))
    )
    if scope.service_lines:
        statement = statement.where(mart.c.service_line.in_(scope.service_lines))
    if scope.locations:
        statement = statement.where(mart.c.location.in_(scope.locations))
    frame = at.ask(statement)
    return frame.astype(dict.fromkeys(("people", *CHANNELS.values()), "int64"))


def return_lift(at: Marts) -> pd.DataFrame:
    """What a message adds, by channel and months of silence, with its 95% interval."""
    order = (RETURN_LIFT.c.channel, RETURN_LIFT.c.months_silent)
    return at.ask(sa.select(*RETURN_LIFT.c).order_by(*order))


def return_calibration(at: Marts) -> pd.DataFrame:
    """Expected and observed returns by tenths of those who were silent half a year before."""
    return at.ask(sa.select(*CALIBRATION.c).order_by(CALIBRATION.c.decile))


def message_costs(at: Marts, currency: str) -> dict[str, float]:
    """What reaching a person by each channel has cost, over all campaigns; 0 where unknown."""
    spent = (
        sa.select(SPEND.c.channel, sa.func.sum(SPEND.c.spend_micros).label("micros"))
        .where(SPEND.c.currency == currency, SPEND.c.channel.in_(CHANNELS))
        .group_by(SPEND.c.channel)
    )
    reached = (
        sa.select(REACTIVATION.c.channel, sa.func.sum(REACTIVATION.c.contacted).label("contacted"))
        .where(REACTIVATION.c.channel.in_(CHANNELS))
        .group_by(REACTIVATION.c.channel)
    )
    micros = at.ask(spent).set_index("channel")["micros"]
    people = at.ask(reached).set_index("channel")["contacted"]
    return {
        channel: float(micros.get(channel, 0)) / MICROS / max(float(people.get(channel, 0)), 1)
        for channel in CHANNELS
    }
