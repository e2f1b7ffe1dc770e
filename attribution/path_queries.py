"""Questions about journeys: their paths, how long they take, who shares them."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import sqlalchemy as sa

from attribution.amount_queries import SHARED
from attribution.narrowing import MICROS, in_dimensions, in_quarters, total
from attribution.queries import Marts, Scope, declared

STEPS = ("step_1", "step_2", "step_3", "step_4")
PATHS = declared(
    "paths",
    *("kind", "service_line", "quarter", "outcome", *STEPS, "journeys", "touches", "median_days"),
)
PERCENTILES = ("p10", "p25", "p50", "p75", "p90")
PATH_LAGS = declared(
    "path_lags",
    *("kind", "service_line", "quarter", "measure", "journeys", "short_journeys", *PERCENTILES),
)
_GIVEN = tuple(f"{name}_{what}" for name in SHARED for what in ("conversions", "value"))
_JOURNEYS = ("kind", "service_line", "location", "quarter", "currency", "journeys", "touches")
POSITIONS = declared(
    "positions", *_JOURNEYS, "channel", "place", "conversions", "value_micros", *_GIVEN
)
COMPANIONS = declared(
    "companions", *_JOURNEYS, "channel", "companion", "conversions", "value_micros", *_GIVEN
)


def paths(at: Marts, scope: Scope) -> pd.DataFrame:
    """Journeys by path in the quarters that the scope touches.

    Columns: step_1, step_2, step_3, step_4, outcome, journeys, touches, median_days; a row for
    each quarter and service line.
    """
    names = (*STEPS, "outcome", "journeys", "touches", "median_days")
    statement = sa.select(*(PATHS.c[name] for name in names)).where(*in_quarters(PATHS, scope))
    order = (PATHS.c.quarter, PATHS.c.service_line, PATHS.c.outcome, *(PATHS.c[s] for s in STEPS))
    return at.ask(statement.order_by(*order))


def path_lags(at: Marts, scope: Scope) -> pd.DataFrame:
    """Percentiles of converted journeys, a row for each service line, quarter and measure."""
    mart = PATH_LAGS
    statement = sa.select(*mart.c).where(*in_quarters(mart, scope))
    return at.ask(statement.order_by(mart.c.service_line, mart.c.quarter, mart.c.measure))


def positions(at: Marts, scope: Scope, channel: str, currency: str) -> pd.DataFrame:
    """A channel's journeys by where in them it stood, in the quarters that the scope touches.

    Columns: place, journeys, whole (the conversions, or the money, of those journeys) and for
    each model what the channel is given of the whole.
    """
    return _given(at, POSITIONS, scope, currency, (POSITIONS.c.place,), _of(POSITIONS, channel))


def companions(at: Marts, scope: Scope, channel: str, currency: str) -> pd.DataFrame:
    """As `positions`, by the channels that share journeys with the channel, and the other way.

    Columns: channel, companion, journeys, whole and the models; `channel` is the one credited.
    """
    pair = (COMPANIONS.c.channel, COMPANIONS.c.companion)
    either = sa.or_(_of(COMPANIONS, channel), COMPANIONS.c.companion == channel)
    return _given(at, COMPANIONS, scope, currency, pair, either)


def _of(mart: sa.TableClause, channel: str) -> sa.ColumnElement[bool]:
    return mart.c.channel == channel


def _given(
    at: Marts,
    mart: sa.TableClause,
    scope: Scope,
    currency: str,
    grain: Sequence[sa.ColumnClause[Any]],
    chosen: sa.ColumnElement[bool],
) -> pd.DataFrame:
    money = scope.kind == "collected"
    whole, what = ("value_micros", "value") if money else ("conversions", "conversions")
    # Counts add up over currencies, money does not.
    same = [mart.c.currency == currency] if money else []
    unit = MICROS if money else 1
    amounts = {"whole": whole, **{name: f"{name}_{what}" for name in SHARED}}
    statement = (
        sa.select(
            *grain,
            total(mart.c.journeys),
            *(
                sa.cast(sa.func.sum(mart.c[column]), sa.Double).label(name)
                for name, column in amounts.items()
            ),
        )
        .where(chosen, *in_quarters(mart, scope), *in_dimensions(mart, scope), *same)
        .group_by(*grain)
        .order_by(*grain)
    )
    frame = at.ask(statement)
    frame[list(amounts)] = frame[list(amounts)].astype("float64") / unit
    return frame
