"""What the pages ask of the mart of cohorts: what came so far, and what is still expected."""

import pandas as pd
import sqlalchemy as sa

from attribution.queries import CONVERSIONS, MICROS, SPEND, Marts, Scope

MONEY = "collected"
_AMOUNTS = ("arrived", "expected", "low", "high")
COHORTS = sa.table(
    "cohorts",
    *map(sa.column, ("kind_from", "kind_to", "service_line", "week", "age_weeks", "entered")),
    *map(sa.column, (*_AMOUNTS, "maturity", "is_immature")),
)


def cohorts(at: Marts, scope: Scope, kind_from: str, kind_to: str) -> pd.DataFrame:
    """Cohorts of the scope's weeks, a row for each week and service line.

    Columns: week, service_line, entered, arrived, expected, low, high, maturity. Amounts of money
    are in the report's currency.
    """
    mart = COHORTS.c
    names = ("week", "service_line", "entered", *_AMOUNTS, "maturity")
    statement = (
        sa.select(*(mart[name] for name in names))
        .where(
            mart.kind_from == kind_from,
            mart.kind_to == kind_to,
            mart.week.between(scope.since, scope.until),
            *([mart.service_line.in_(scope.service_lines)] if scope.service_lines else []),
        )
        .order_by(mart.week, mart.service_line)
    )
    frame = at.ask(statement)
    numbers = ["entered", *_AMOUNTS, "maturity"]
    frame[numbers] = frame[numbers].astype("float64")
    if kind_to == MONEY:
        frame[list(_AMOUNTS)] /= MICROS
    return frame


def reported_weeks(at: Marts) -> dict[str, pd.Timestamp]:
    """The last week of which anything is known, by kind of conversion and of spend.

    A source may end earlier than others: what it would have said of later weeks is not nought.
    """
    kind, week = CONVERSIONS.c.kind, CONVERSIONS.c.week
    seen = at.ask(sa.select(kind, sa.func.max(week).label("week")).group_by(kind))
    spent = at.ask(sa.select(sa.func.max(SPEND.c.week).label("week"))).assign(kind="spend")
    known = pd.concat([seen, spent]).dropna(subset=["week"])
    return {
        str(name): pd.Timestamp(day) for name, day in zip(known["kind"], known["week"], strict=True)
    }
