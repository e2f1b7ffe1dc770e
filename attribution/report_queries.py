"""What reports ask beside what pages ask: numbers by channel and week, channels by service line."""

from typing import Any

import pandas as pd
import sqlalchemy as sa

from attribution.amount_queries import credit_mart
from attribution.metrics import KINDS
from attribution.narrowing import MICROS, in_dimensions
from attribution.queries import CREDIT, SPEND, Marts, Scope

AMOUNTS = ("spend", *KINDS.values())
_COUNTED = ("kept", "missed", "ahead", "days_ahead")
APPOINTMENTS = sa.table(
    "appointments", *map(sa.column, ("week", "service_line", "location", *_COUNTED))
)


def by_channel_and_week(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """What each channel cost and what the scope's model credits to it, week by week, of all weeks.

    Of the scope's service lines and locations, by the day that it counts by. Columns: channel,
    week, spend, leads, booked, kept, new_patients, collected; money in whole units of `currency`.
    Without a row is what has none of them.
    """
    mart = credit_mart(at, scope)
    grain = [mart.c.channel, mart.c.week]
    amounts = [
        sa.func.sum(
            sa.case(
                (mart.c.kind == kind, _amount(mart, kind, currency)),
                else_=sa.literal(0.0),
            )
        ).label(name)
        for kind, name in KINDS.items()
    ]
    credit = at.ask(
        sa.select(*grain, *amounts)
        .where(mart.c.model == scope.model, *in_dimensions(mart, scope))
        .group_by(*grain)
        .order_by(*grain)
    )
    placed = [SPEND.c.channel, SPEND.c.week]
    spend = at.ask(
        sa.select(*placed, (sa.func.sum(SPEND.c.spend_micros) / float(MICROS)).label("spend"))
        .where(SPEND.c.currency == currency, *in_dimensions(SPEND, scope))
        .group_by(*placed)
        .order_by(*placed)
    )
    frame = spend.merge(credit, on=["channel", "week"], how="outer", sort=True)
    frame["week"] = pd.to_datetime(frame["week"])
    numbers = dict.fromkeys(AMOUNTS, "float64")
    return frame[["channel", "week", *AMOUNTS]].astype(numbers).fillna(dict.fromkeys(AMOUNTS, 0.0))


def _amount(mart: sa.FromClause, kind: str, currency: str) -> sa.ColumnElement[float]:
    if kind != "collected":
        return sa.cast(mart.c.conversions, sa.Double)
    money = sa.cast(mart.c.value_micros, sa.Double) / float(MICROS)
    return sa.case((mart.c.currency == currency, money), else_=sa.literal(0.0))


def appointments_of_lines(at: Marts, scope: Scope) -> pd.DataFrame:
    """How the appointments of the scope's weeks went, by service line.

    Columns: service_line, kept, missed, ahead, days_ahead. Empty where small cells are folded: no
    appointment is told of there.
    """
    mart = APPOINTMENTS.c
    conditions = [mart.week.between(scope.since, scope.until), *_placed(mart, scope)]
    statement = (
        sa.select(
            mart.service_line,
            *(sa.cast(sa.func.sum(mart[name]), sa.Double).label(name) for name in _COUNTED),
        )
        .where(*conditions)
        .group_by(mart.service_line)
        .order_by(mart.service_line)
    )
    return at.ask(statement).astype(dict.fromkeys(_COUNTED, "float64"))


def channels_of_lines(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """What the scope's model credits by service line. Columns: service_line, channel, conversions.

    Of money only what is in `currency`. Empty where small cells are folded: credit knows no service
    lines there.
    """
    columns = ["service_line", "channel", "conversions"]
    if at.protected:
        return pd.DataFrame(columns=columns).astype({"conversions": "float64"})
    grain = [CREDIT.c.service_line, CREDIT.c.channel]
    conditions = [
        CREDIT.c.model == scope.model,
        CREDIT.c.kind == scope.kind,
        CREDIT.c.week.between(scope.since, scope.until),
        *_placed(CREDIT.c, scope),
    ]
    if scope.kind == "collected":
        # A channel that brought other money only is none of those that brought this.
        conditions.append(CREDIT.c.currency == currency)
    amount = sa.func.sum(_amount(CREDIT, scope.kind, currency))
    statement = (
        sa.select(*grain, amount.label("conversions"))
        .where(*conditions)
        .group_by(*grain)
        .order_by(*grain)
    )
    return at.ask(statement).astype({"conversions": "float64"})


def _placed(mart: Any, scope: Scope) -> list[sa.ColumnElement[bool]]:
    """That a row is of the scope's service lines and locations, where it names some."""
    chosen = {"service_line": scope.service_lines, "location": scope.locations}
    return [mart[name].in_(values) for name, values in chosen.items() if values]
