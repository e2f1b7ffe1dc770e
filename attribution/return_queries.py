"""Questions about who is silent today, how likely they return unasked, and what a message adds."""

from typing import Any

import pandas as pd
import sqlalchemy as sa

from attribution.models.persuading import return_lift as lifts_of
from attribution.narrowing import (
    MICROS,
    in_currency,
    in_dimensions,
    in_money,
    since_held_out,
    total,
)
from attribution.queries import REACTIVATION, Marts, Scope

GROUP = ("months_silent", "service_line")
CHANNELS = {"outreach_email": "email_people", "outreach_sms": "sms_people"}
REACH_NEXT = sa.table(
    "reach_next",
    *map(sa.column, (*GROUP, "location", "currency", "people", *CHANNELS.values())),
    *map(sa.column, ("returns", "value_micros")),
)
COSTS = sa.table("reach_costs", *map(sa.column, ("channel", "currency", "people", "spend_micros")))

OLD_ENOUGH = pd.DateOffset(months=4)  # for a campaign to have brought what it brings
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
        .where(mart.c.currency == currency, *in_dimensions(mart, scope))
        .group_by(*(mart.c[name] for name in GROUP))
        .order_by(*(mart.c[name] for name in GROUP))
    )
    frame = at.ask(statement)
    return frame.astype(dict.fromkeys(("people", *CHANNELS.values()), "int64"))


def return_lift(at: Marts) -> pd.DataFrame:
    """What a message adds, by channel and months of silence, with its 95% interval.

    From campaigns with a holdout that are old enough, from the month on in which they first held
    somebody out. Columns: channel, months_silent, treated, treated_kept, held_out, held_out_kept,
    lift, low, high.
    """
    mart = REACTIVATION
    newest = at.ask(sa.select(sa.func.max(mart.c.cohort_month).label("month")))["month"].iloc[0]
    if pd.isna(newest):
        return lifts_of(at.ask(_tested(sa.false())))
    last = (pd.Timestamp(newest) - OLD_ENOUGH).date()
    return lifts_of(at.ask(_tested(mart.c.cohort_month <= last)))


def _tested(old_enough: sa.ColumnElement[bool]) -> sa.Select[Any]:
    mart = REACTIVATION
    grain = (mart.c.channel, mart.c.campaign, mart.c.months_silent)
    counts = [
        sa.cast(
            sa.func.coalesce(sa.func.sum(sa.case((mart.c.arm == arm, mart.c[count]), else_=0)), 0),
            sa.BigInteger,
        ).label(name)
        for arm, count, name in (
            ("treated", "silent", "treated"),
            ("treated", "kept", "treated_kept"),
            ("holdout", "silent", "held_out"),
            ("holdout", "kept", "held_out_kept"),
        )
    ]
    cohorts, held_out = since_held_out(mart, mart.c.cohort_month, mart)
    return (
        sa.select(*grain, *counts)
        .select_from(cohorts)
        .where(old_enough, held_out)
        .group_by(*grain)
        .order_by(*grain)
    )


def return_calibration(at: Marts) -> pd.DataFrame:
    """Expected and observed returns by tenths of those who were silent half a year before."""
    return at.ask(sa.select(*CALIBRATION.c).order_by(CALIBRATION.c.decile))


def reaching_costs(at: Marts, currency: str) -> dict[str, float]:
    """What reaching a silent person by each channel has cost; 0 where unknown.

    A campaign may write several times, and its gain is that of them all. Of the campaigns that
    reach silent people alone: reminders and tips go by the same channels.
    """
    mart = COSTS
    statement = (
        sa.select(
            mart.c.channel,
            sa.func.sum(mart.c.people).label("people"),
            sa.func.sum(mart.c.spend_micros).label("micros"),
        )
        .where(mart.c.currency == currency, mart.c.channel.in_(CHANNELS))
        .group_by(mart.c.channel)
    )
    found = at.ask(statement).set_index("channel")
    return {
        channel: float(found["micros"].get(channel, 0))
        / MICROS
        / max(float(found["people"].get(channel, 0)), 1)
        for channel in CHANNELS
    }


def reactivation(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """Silent patients and what became of them, in cohorts of the months that the scope touches.

    Columns: cohort_month, campaign, channel, months_silent, arm, silent, contacted, engaged,
    booked, kept, retained, value.
    """
    mart = REACTIVATION
    grain = (mart.c.cohort_month, mart.c.campaign, mart.c.channel, mart.c.months_silent, mart.c.arm)
    stages = (mart.c.silent, mart.c.contacted, mart.c.engaged, mart.c.booked, mart.c.kept)
    statement = (
        sa.select(
            *grain,
            *(total(stage) for stage in stages),
            # Missing where small cells are folded: few are retained at a time.
            sa.cast(sa.func.sum(mart.c.retained), sa.Double).label("retained"),
            in_currency(mart, currency, "value"),
        )
        .where(
            mart.c.cohort_month.between(scope.since.replace(day=1), scope.last_day),
            *in_dimensions(mart, scope),
        )
        .group_by(*grain)
        .order_by(*grain)
    )
    return in_money(at.ask(statement), "value")
