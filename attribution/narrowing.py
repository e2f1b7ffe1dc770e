"""Clauses that questions have in common: a scope's weeks and dimensions, sums, money.

Money leaves storage here: integer micros become amounts of the installation's currency.
"""

from datetime import date
from typing import Any

import pandas as pd
import sqlalchemy as sa

from attribution.queries import Scope

MICROS = 1_000_000


def in_weeks(mart: sa.FromClause, scope: Scope) -> sa.ColumnElement[bool]:
    """The weeks of a scope."""
    return mart.c.week.between(scope.since, scope.until)


def within(mart: sa.FromClause, scope: Scope) -> list[sa.ColumnElement[bool]]:
    """The weeks and the dimensions of a scope."""
    return [in_weeks(mart, scope), *in_dimensions(mart, scope)]


def first_of_quarter(day: date) -> date:
    """The day on which the quarter of a day begins."""
    return day.replace(month=day.month - (day.month - 1) % 3, day=1)


def in_quarters(mart: sa.TableClause, scope: Scope) -> list[sa.ColumnElement[bool]]:
    """The kind, the quarters that the weeks touch, and the service lines of a scope."""
    chosen: list[sa.ColumnElement[bool]] = [
        mart.c.kind == scope.kind,
        mart.c.quarter.between(first_of_quarter(scope.since), scope.last_day),
    ]
    if scope.service_lines:
        chosen.append(mart.c.service_line.in_(scope.service_lines))
    return chosen


def in_dimensions(mart: sa.FromClause, scope: Scope) -> list[sa.ColumnElement[bool]]:
    """The service lines and locations of a scope, where it names any."""
    chosen = ((mart.c.service_line, scope.service_lines), (mart.c.location, scope.locations))
    return [column.in_(values) for column, values in chosen if values]


def since_held_out(
    of: sa.TableClause, day: sa.ColumnElement[Any], cohorts: sa.TableClause
) -> tuple[sa.FromClause, sa.ColumnElement[bool]]:
    """A mart joined to the month in which each campaign first held somebody out, by a mart of
    cohorts; and whether `day` is not before it.

    Nobody was left alone before, so no lift is told from then: what a season did would be its
    own. Of a campaign that never held anybody out every day counts.
    """
    held = (
        sa.select(cohorts.c.campaign, sa.func.min(cohorts.c.cohort_month).label("since"))
        .where(cohorts.c.arm == "holdout")
        .group_by(cohorts.c.campaign)
        .subquery("held_out")
    )
    joined = of.outerjoin(held, of.c.campaign == held.c.campaign)
    return joined, sa.or_(held.c.since.is_(None), day >= held.c.since)


def total(column: sa.ColumnClause[Any], name: str = "") -> sa.Label[Any]:
    """The sum of whole numbers, 0 of none; it keeps the name of its column unless told."""
    # Sums of 64-bit integers are wider than pandas knows.
    summed = sa.cast(sa.func.coalesce(sa.func.sum(column), 0), sa.BigInteger)
    return summed.label(name or column.name)


def in_currency(mart: sa.FromClause, currency: str, name: str) -> sa.Label[Any]:
    """The sum of `value_micros` in one currency."""
    # Counts add up over currencies, money does not.
    value = sa.case((mart.c.currency == currency, mart.c.value_micros), else_=0)
    return sa.cast(sa.func.coalesce(sa.func.sum(value), 0), sa.BigInteger).label(name)


def in_money(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The frame with micros in these columns made amounts."""
    for column in columns:
        frame[column] = frame[column].astype("float64") / MICROS
    return frame
