"""What the pages ask of the marts of forecasts. Money leaves micros here, as in `queries`."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import sqlalchemy as sa

from attribution.models.forecast_bands import BOUNDS
from attribution.models.forecast_series import ALL, DIMENSIONS, METRICS, MONEY, REST, TOTAL
from attribution.narrowing import MICROS
from attribution.queries import Marts, Scope

_AMOUNTS = ("actual", "expected", *BOUNDS, "target")
_SERIES = ("metric", "dimension", "member")
FORECAST = sa.table(
    "forecast",
    *map(sa.column, (*_SERIES, "week", "model", *_AMOUNTS, "is_ahead", "adds_up", "is_anomaly")),
)
ERRORS = sa.table(
    "forecast_error",
    *map(sa.column, (*_SERIES, "model", "wape", "is_chosen", "weeks_tested", "note")),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which series a page or report is about: a number, and all or one member of a dimension."""

    metric: str = "booked"
    dimension: str = TOTAL
    member: str = ALL


def forecast_members(at: Marts) -> dict[str, dict[str, tuple[str, ...]]]:
    """By number and dimension the members that are forecast, by name, what is left last."""
    mart = FORECAST.c
    columns = [mart[name] for name in _SERIES]
    rows = at.ask(sa.select(*columns).distinct().order_by(*columns))
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for metric in METRICS:
        own = rows[rows["metric"] == metric]
        if own.empty:
            continue
        found[metric] = {
            dimension: tuple(sorted(members, key=lambda name: (name == REST, name)))
            for dimension in (TOTAL, *DIMENSIONS)
            if len(members := own.loc[own["dimension"] == dimension, "member"].tolist())
        }
    return found


def forecast_weeks(at: Marts, asked: Asked | None = None) -> pd.DataFrame:
    """Weeks of a series, or of all: what came, what is expected with its bands, and the target.

    Columns: metric, dimension, member, week, model, actual, expected, low_50 to high_95, target,
    is_ahead, adds_up, is_anomaly.
    """
    order = [FORECAST.c[name] for name in (*_SERIES, "week")]
    statement = sa.select(*FORECAST.c).where(*_of(FORECAST, asked)).order_by(*order)
    return _amounts(at.ask(statement))


def forecast_errors(at: Marts, asked: Asked | None = None) -> pd.DataFrame:
    """The models of a series, or of all: columns as in the mart `forecast_error`."""
    order = [ERRORS.c[name] for name in (*_SERIES, "model")]
    return at.ask(sa.select(*ERRORS.c).where(*_of(ERRORS, asked)).order_by(*order))


def unusual_weeks(at: Marts, scope: Scope) -> pd.DataFrame:
    """Weeks of the scope outside the 95% band that the weeks before the newest four had for them.

    Columns: metric, week, actual, low_95, high_95. Forecast are totals and single members; of a
    scope that is neither nothing is known.
    """
    series = _series_of(scope)
    mart = FORECAST.c
    columns = [mart[name] for name in ("metric", "week", "actual", "low_95", "high_95")]
    chosen = sa.false() if series is None else sa.and_(*_pairs(FORECAST, series))
    statement = (
        sa.select(*columns)
        .where(chosen, mart.is_anomaly, mart.week.between(scope.since, scope.until))
        .order_by(mart.week.desc(), mart.metric)
    )
    return _amounts(at.ask(statement))


def _series_of(scope: Scope) -> tuple[str, str] | None:
    """The dimension and member that a scope is about."""
    if not scope.service_lines and not scope.locations:
        return TOTAL, ALL
    if len(scope.service_lines) == 1 and not scope.locations:
        return "service_line", scope.service_lines[0]
    if len(scope.locations) == 1 and not scope.service_lines:
        return "location", scope.locations[0]
    return None


def _pairs(mart: sa.TableClause, series: tuple[str, str]) -> Sequence[sa.ColumnElement[bool]]:
    return mart.c.dimension == series[0], mart.c.member == series[1]


def _of(mart: sa.TableClause, asked: Asked | None) -> list[sa.ColumnElement[bool]]:
    if asked is None:
        return []
    return [mart.c.metric == asked.metric, *_pairs(mart, (asked.dimension, asked.member))]


def _amounts(frame: pd.DataFrame) -> pd.DataFrame:
    unit = frame["metric"].isin(MONEY).map({True: MICROS, False: 1})
    names = [name for name in _AMOUNTS if name in frame]
    amounts = frame[names].astype("float64").div(unit.astype("float64"), axis=0)
    return frame.assign(**{name: amounts[name] for name in names})
