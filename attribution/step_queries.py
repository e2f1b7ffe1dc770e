"""How far silent patients come on the way back, why no further, and what campaigns brought."""

from datetime import date

import pandas as pd
import sqlalchemy as sa

from attribution.models.gain import brought
from attribution.narrowing import MICROS, in_dimensions, since_held_out
from attribution.queries import CREDIT, Marts, Scope, about

# In the order in which they are reached; `reached` in the mart counts them from 1.
STAGES = (
    *("silent", "recall", "consented", "contacted", "delivered", "responded"),
    *("booked", "kept", "retained"),
)
GROUPS = ("state", "service_line", "months_silent", "campaign", "channel")
STEPS = sa.table(
    "reactivation_steps",
    *map(sa.column, ("cohort_month", "campaign", "channel", "arm", "months_silent")),
    *map(sa.column, ("service_line", "location", "state", "reached", "reason", "currency")),
    *map(sa.column, ("people", "value_micros", "value_squares")),
)


def steps(at: Marts, scope: Scope) -> pd.DataFrame:
    """Silent patients by how far they came: `GROUPS`, reached, reason, people.

    Of cohorts of the scope's months; empty where small cells are folded.
    """
    mart = STEPS
    grain = [mart.c[name] for name in (*GROUPS, "reached", "reason")]
    statement = (
        sa.select(*grain, sa.cast(sa.func.sum(mart.c.people), sa.BigInteger).label("people"))
        .where(*_within(mart, scope))
        .group_by(*grain)
        .order_by(*grain)
    )
    return at.ask(statement).astype({"reached": "int64", "people": "int64"})


def gains(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """Per campaign: what it brought against its holdout, and what the scope's model credits it.

    Columns: campaign, channel, treated, held_out, brought, low, high, credited, alone; money in
    whole units. Brought within 180 days of the assignment, of cohorts of the scope's months from
    that in which the campaign first held somebody out; credited from the first of these on,
    whenever people were assigned. `alone` are campaigns that assigned people in the scope's months
    only: of the others the two are of different people.
    """
    mart = STEPS
    grain = [mart.c.campaign, mart.c.channel, mart.c.arm]
    cohorts, held_out = since_held_out(mart, mart.c.cohort_month, mart)
    statement = (
        sa.select(
            *grain,
            sa.cast(sa.func.sum(mart.c.people), sa.BigInteger).label("people"),
            (sa.func.sum(mart.c.value_micros) / float(MICROS)).label("value"),
            sa.cast(sa.func.sum(mart.c.value_squares), sa.Double).label("squares"),
        )
        .select_from(cohorts)
        .where(
            *_within(mart, scope),
            held_out,
            mart.c.arm.in_(("treated", "holdout")),
            mart.c.currency == currency,
        )
        .group_by(*grain)
        .order_by(*grain)
    )
    found = brought(at.ask(statement).astype({"value": "float64", "squares": "float64"}))
    credit = _credited(at, scope, currency)
    both = ["campaign", "channel"]
    merged = found.merge(credit, on=both, how="left")
    merged = merged.merge(_elsewhere(at, scope), on=both, how="left")
    credited, alone = merged["credited"].astype("float64").fillna(0.0), merged["elsewhere"].isna()
    return merged.assign(credited=credited, alone=alone).drop(columns="elsewhere")


def _elsewhere(at: Marts, scope: Scope) -> pd.DataFrame:
    """The campaigns that assigned people in other months too, of any service line and location."""
    mart = STEPS
    others = [mart.c.cohort_month < _first(scope)]
    # A month of which only the last days of the data are has brought nothing yet.
    if scope.until < about(at).last_week:
        others.append(mart.c.cohort_month > scope.last_day)
    statement = (
        sa.select(mart.c.campaign, mart.c.channel, sa.func.count().label("elsewhere"))
        .where(sa.or_(*others), mart.c.arm == "treated")
        .group_by(mart.c.campaign, mart.c.channel)
        .order_by(mart.c.campaign, mart.c.channel)
    )
    return at.ask(statement)


def _credited(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    grain = (CREDIT.c.campaign, CREDIT.c.channel)
    credit, held_out = since_held_out(CREDIT, CREDIT.c.week, STEPS)
    conditions = [
        CREDIT.c.model == scope.model,
        CREDIT.c.kind == "collected",
        CREDIT.c.currency == currency,
        CREDIT.c.week >= _first(scope),
        held_out,
    ]
    for name, values in (("service_line", scope.service_lines), ("location", scope.locations)):
        if values:
            conditions.append(CREDIT.c[name].in_(values))
    statement = (
        sa.select(*grain, (sa.func.sum(CREDIT.c.value_micros) / float(MICROS)).label("credited"))
        .select_from(credit)
        .where(*conditions)
        .group_by(*grain)
        .order_by(*grain)
    )
    return at.ask(statement)


def _first(scope: Scope) -> date:
    return scope.since.replace(day=1)


def _within(mart: sa.TableClause, scope: Scope) -> list[sa.ColumnElement[bool]]:
    months = mart.c.cohort_month.between(_first(scope), scope.last_day)
    return [months, *in_dimensions(mart, scope)]
