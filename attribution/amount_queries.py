"""Questions about what was spent, converted, credited and visited, by week, line or campaign."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pandas as pd
import sqlalchemy as sa

from attribution import date_basis
from attribution.models.journey_credit import shared
from attribution.narrowing import (
    MICROS,
    in_currency,
    in_dimensions,
    in_money,
    in_weeks,
    total,
    within,
)
from attribution.queries import (
    CONVERSIONS,
    CONVERSIONS_WEEKLY,
    CREDIT,
    SESSIONS,
    SPEND,
    Marts,
    Scope,
    about,
)

SHARED = shared()  # the models that share the credit of journeys


def spend_by_week(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """Spend of each week. Columns: week, spend."""
    return in_money(at.ask(_spend(scope, currency, SPEND.c.week)), "spend")


def spend_by_service_line(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """Spend of each service line. Columns: service_line, spend."""
    return in_money(at.ask(_spend(scope, currency, SPEND.c.service_line)), "spend")


def spend_by_campaign(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """Spend of each campaign. Columns: channel, campaign, spend, impressions, clicks."""
    grain = (SPEND.c.channel, SPEND.c.campaign)
    seen = (total(SPEND.c.impressions), total(SPEND.c.clicks))
    return in_money(at.ask(_spend(scope, currency, *grain, also=seen)), "spend")


def spend_elsewhere(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """Spend in other currencies, which no total includes. Columns: currency, spend."""
    statement = (
        sa.select(SPEND.c.currency, total(SPEND.c.spend_micros, "spend"))
        .where(*within(SPEND, scope), SPEND.c.currency != currency)
        .group_by(SPEND.c.currency)
        .having(sa.func.sum(SPEND.c.spend_micros) > 0)
        .order_by(SPEND.c.currency)
    )
    return in_money(at.ask(statement), "spend")


def collected_elsewhere(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """Money collected in other currencies, which no total includes. Columns: currency, collected.

    Where small cells are folded there is none: they are told in one currency alone.
    """
    mart: Any = _conversions(at, scope)
    statement = (
        sa.select(mart.c.currency, total(mart.c.value_micros, "collected"))
        .where(*within(mart, scope), mart.c.kind == "collected", mart.c.currency != currency)
        .group_by(mart.c.currency)
        .having(sa.func.sum(mart.c.value_micros) != 0)
        .order_by(mart.c.currency)
    )
    return in_money(at.ask(statement), "collected")


def conversions_by_week(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """What was observed in each week. Columns: week, kind, conversions, value.

    Of protected marts only all service lines and places together are known by week; what is
    narrowed stands in the first week of its block.
    """
    whole = at.protected and not (scope.service_lines or scope.locations)
    mart = CONVERSIONS_WEEKLY if whole else _conversions(at, scope)
    return in_money(at.ask(_observed(scope, currency, mart.c.week, mart)), "value")


def conversions_by_service_line(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """What was observed in each service line. Columns: service_line, kind, conversions, value."""
    mart = _conversions(at, scope)
    return in_money(at.ask(_observed(scope, currency, mart.c.service_line, mart)), "value")


def credit_by_campaign(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """What the scope's model credits. Columns: channel, campaign, kind, conversions, value."""
    mart = credit_mart(at, scope)
    grain = (mart.c.channel, mart.c.campaign, mart.c.kind)
    statement = (
        sa.select(
            *grain,
            sa.func.sum(mart.c.conversions).label("conversions"),
            in_currency(mart, currency, "value"),
        )
        .where(mart.c.model == scope.model, *within(mart, scope))
        .group_by(*grain)
        .order_by(*grain)
    )
    return in_money(at.ask(statement), "value")


Span = tuple[date, date]  # weeks, both included


def credit_in_spans(
    at: Marts, scope: Scope, currency: str, spans: Sequence[Span], by: str = "channel"
) -> dict[tuple[str, str], tuple[float, ...]]:
    """What the scope's model credits in each span, by kind and channel; money where it is money.

    Or `by` service_line or location. All in one look: the spans may overlap, and the scope's own
    weeks do not count.
    """
    mart = credit_mart(at, scope)
    amount = sa.case(
        (mart.c.kind != "collected", mart.c.conversions),
        (mart.c.currency == currency, sa.cast(mart.c.value_micros, sa.Double) / MICROS),
        else_=0.0,
    )
    grain = (mart.c.kind, mart.c[by])
    chosen = [mart.c.model == scope.model, *in_dimensions(mart, scope)]
    return _in_spans(at, mart, amount, grain, chosen, spans)


def spend_in_spans(
    at: Marts, scope: Scope, currency: str, spans: Sequence[Span], by: str = "channel"
) -> dict[tuple[str, str], tuple[float, ...]]:
    """The same of spend, under the kind `spend`."""
    amount = sa.cast(SPEND.c.spend_micros, sa.Double) / MICROS
    grain: tuple[sa.ColumnElement[Any], ...] = (
        sa.literal_column("'spend'").label("kind"),
        SPEND.c[by],
    )
    chosen = [SPEND.c.currency == currency, *in_dimensions(SPEND, scope)]
    return _in_spans(at, SPEND, amount, grain, chosen, spans)


def _in_spans(
    at: Marts,
    mart: sa.FromClause,
    amount: sa.ColumnElement[Any],
    grain: Sequence[sa.ColumnElement[Any]],
    chosen: Sequence[sa.ColumnElement[bool]],
    spans: Sequence[Span],
) -> dict[tuple[str, str], tuple[float, ...]]:
    totals = [
        sa.func.sum(sa.case((mart.c.week.between(*span), amount), else_=0.0)).label(f"in_{place}")
        for place, span in enumerate(spans)
    ]
    ends = mart.c.week.between(min(s for s, _ in spans), max(u for _, u in spans))
    statement = sa.select(*grain, *totals).where(ends, *chosen).group_by(*grain)
    rows = at.ask(statement).itertuples(index=False)
    return {(str(row[0]), str(row[1])): tuple(map(float, row[2:])) for row in rows}


def credit_by_model(at: Marts, scope: Scope, currency: str) -> pd.DataFrame:
    """Credit for the scope's kind by model. Columns: model, channel, conversions, value.

    What the incremental model credits is dated by the day it happened, whatever the scope asks.
    """
    dated = date_basis.moved(scope, protected=at.protected)
    parts = [_credit_by_model(at, scope, currency, CREDIT, *(["incremental"] if dated else []))]
    if not dated:
        return parts[0]
    parts += _dated_by_model(at, scope, currency)
    order = ["model", "channel"]
    return pd.concat([part for part in parts if len(part)]).sort_values(order, ignore_index=True)


def _dated_by_model(at: Marts, scope: Scope, currency: str) -> Iterator[pd.DataFrame]:
    """The same by another day, a frame for each model: all of them in one look at the mart."""
    mart: Any = date_basis.CREDIT_DATES
    of_money = mart.c.currency == currency
    amounts = []
    for name in SHARED:
        value = sa.func.sum(sa.case((of_money, mart.c[f"{name}_value"]), else_=0))
        amounts += [
            sa.func.sum(mart.c[f"{name}_conversions"]).label(f"{name}_conversions"),
            sa.cast(sa.func.coalesce(value, 0), sa.BigInteger).label(f"{name}_value"),
        ]
    found = at.ask(
        sa.select(mart.c.channel, *amounts)
        .where(mart.c.basis == scope.basis, mart.c.kind == scope.kind, *within(mart, scope))
        .group_by(mart.c.channel)
    )
    for name in SHARED:
        own = {
            "model": name,
            "channel": found["channel"],
            "conversions": found[f"{name}_conversions"],
            "value": found[f"{name}_value"],
        }
        yield in_money(pd.DataFrame(own), "value")


def _credit_by_model(
    at: Marts, scope: Scope, currency: str, mart: sa.FromClause, *models: str
) -> pd.DataFrame:
    grain = (mart.c.model, mart.c.channel)
    statement = (
        sa.select(
            *grain,
            sa.func.sum(mart.c.conversions).label("conversions"),
            in_currency(mart, currency, "value"),
        )
        .where(mart.c.kind == scope.kind, *within(mart, scope))
        .where(*([mart.c.model.in_(models)] if models else []))
        .group_by(*grain)
        .order_by(*grain)
    )
    return in_money(at.ask(statement), "value")


def without_date(at: Marts, scope: Scope) -> pd.DataFrame:
    """How much of each kind has no such date as the scope counts by, or one yet to come.

    Columns: kind, whole and undated (within the scope, where what has no date stands where it
    happened), later (after the last week of the data). Conversions; money is counted by its
    payments. No rows where the day it happened counts.
    """
    if not date_basis.moved(scope, protected=at.protected):
        return pd.DataFrame(columns=["kind", "whole", "undated", "later"])
    mart = date_basis.CREDIT_DATES
    amount = mart.c[f"{date_basis.model_of(scope)}_conversions"]

    def amount_of(name: str, *when: sa.ColumnElement[bool]) -> sa.Label[Any]:
        return sa.func.sum(sa.case((sa.and_(*when), amount), else_=0.0)).label(name)

    statement = (
        sa.select(
            mart.c.kind,
            amount_of("whole", in_weeks(mart, scope)),
            amount_of("undated", in_weeks(mart, scope), sa.not_(mart.c.is_dated)),
            amount_of("later", mart.c.week > about(at).last_week),
        )
        .where(mart.c.basis == scope.basis, *in_dimensions(mart, scope))
        .group_by(mart.c.kind)
        .order_by(mart.c.kind)
    )
    return at.ask(statement)


def sessions_by_campaign(at: Marts, scope: Scope) -> pd.DataFrame:
    """Web sessions of each campaign. Columns: channel, campaign, sessions."""
    grain = (SESSIONS.c.channel, SESSIONS.c.campaign)
    statement = (
        sa.select(*grain, total(SESSIONS.c.sessions))
        .where(SESSIONS.c.week.between(scope.since, scope.until))
        .group_by(*grain)
        .order_by(*grain)
    )
    return at.ask(statement)


def credited_channels(at: Marts) -> frozenset[str]:
    """The channels that any model ever credits for a touch, in all weeks.

    The incremental model also credits channels that leave none.
    """
    touched = sa.select(CREDIT.c.channel).where(CREDIT.c.model != "incremental").distinct()
    return frozenset(at.ask(touched)["channel"])


def visited_channels(at: Marts) -> frozenset[str]:
    """The channels that ever brought a web session."""
    return frozenset(at.ask(sa.select(SESSIONS.c.channel).distinct())["channel"])


def _spend(
    scope: Scope,
    currency: str,
    *grain: sa.ColumnClause[Any],
    also: Sequence[sa.Label[Any]] = (),
) -> sa.Select[Any]:
    return (
        sa.select(*grain, total(SPEND.c.spend_micros, "spend"), *also)
        .where(*within(SPEND, scope), SPEND.c.currency == currency)
        .group_by(*grain)
        .order_by(*grain)
    )


def credit_mart(at: Marts, scope: Scope) -> sa.FromClause:
    """Where the scope's model finds its credit, by the day that the scope counts by."""
    if scope.model in SHARED and date_basis.moved(scope, protected=at.protected):
        return date_basis.credited(scope, scope.model)
    return CREDIT


def _conversions(at: Marts, scope: Scope) -> sa.FromClause:
    if date_basis.moved(scope, protected=at.protected):
        return date_basis.credited(scope, date_basis.model_of(scope))
    return CONVERSIONS


def _observed(
    scope: Scope, currency: str, by: sa.ColumnElement[Any], mart: sa.FromClause
) -> sa.Select[Any]:
    grain = (by, mart.c.kind)
    chosen = [in_weeks(mart, scope)] if mart is CONVERSIONS_WEEKLY else within(mart, scope)
    # Shares of conversions are no whole numbers in a week.
    number = (
        total(mart.c.conversions)
        if mart in (CONVERSIONS, CONVERSIONS_WEEKLY)
        else sa.func.sum(mart.c.conversions).label("conversions")
    )
    return (
        sa.select(*grain, number, in_currency(mart, currency, "value"))
        .where(*chosen)
        .group_by(*grain)
        .order_by(*grain)
    )
