"""What the page Experience asks: would patients recommend us, what do review sites say, and why.

An NPS is promoters less detractors over answers, in points from -100 to 100, with the score
interval of `attribution.models.nps`.
"""

import pandas as pd
import sqlalchemy as sa

from attribution.models import dose
from attribution.models.nps import interval, nps
from attribution.narrowing import in_dimensions, total
from attribution.queries import Marts, Scope

CLASSES = ("promoters", "passives", "detractors")
STARS = (5, 4, 3, 2, 1)
EXPERIENCE = sa.table(
    "experience",
    *map(sa.column, ("kind", "month", "service_line", "location", "people", *CLASSES, "answered")),
)
WAITS = sa.table(
    "experience_waits",
    *map(sa.column, ("month", "service_line", "location", "waited_from", "people", *CLASSES)),
    sa.column("minutes"),
)
DRIVERS = sa.table(
    "experience_drivers",
    *map(sa.column, ("part", "part_value", "driver", "level", "people", "effect", "low", "high")),
)
REVIEWS = sa.table(
    "reviews", *map(sa.column, ("site", "location", "kind", "day", "stars", "reviews", "rating"))
)


def answers(at: Marts, scope: Scope, *by: str) -> pd.DataFrame:
    """Answers to NPS by `by` (month, service_line, location), or all of them as one row.

    Columns: `by`, people, promoters, passives, detractors, nps, low, high (points).
    """
    mart = EXPERIENCE
    columns = [mart.c[name] for name in by]
    statement = (
        sa.select(*columns, *(total(mart.c[name]) for name in ("people", *CLASSES)))
        .where(mart.c.kind == "nps", *_within(mart, scope))
        .group_by(*columns)
        .order_by(*columns)
    )
    return _scored(at.ask(statement))


def asked(at: Marts, scope: Scope) -> tuple[int, int]:
    """How many were asked for an answer in the scope's months, and how many of them answered."""
    mart = EXPERIENCE
    statement = sa.select(total(mart.c.people), total(mart.c.answered)).where(
        mart.c.kind == "asked", _months(mart, scope)
    )
    row = at.ask(statement).iloc[0]
    return int(row["people"]), int(row["answered"])


def waits(at: Marts, scope: Scope) -> pd.DataFrame:
    """Answers by the minutes waited: waited_from, minutes (mean), people, classes, nps, low, high.

    Of those of whom both are known; empty where small cells are folded.
    """
    mart = WAITS
    statement = (
        sa.select(
            mart.c.waited_from,
            *(total(mart.c[name]) for name in ("people", *CLASSES, "minutes")),
        )
        .where(*_within(mart, scope))
        .group_by(mart.c.waited_from)
        .order_by(mart.c.waited_from)
    )
    frame = _scored(at.ask(statement))
    frame["minutes"] = frame["minutes"] / frame["people"]
    return frame


def wait_curve(found: pd.DataFrame) -> pd.DataFrame:
    """The curve through the groups that `waits` answers: minutes, nps, low, high (points)."""
    drawn = dose.curve(found["minutes"], *(found[name] for name in CLASSES))
    if drawn is None:
        return pd.DataFrame(columns=["minutes", "nps", "low", "high"], dtype="float64")
    points = {name: 100 * getattr(drawn, name) for name in ("nps", "low", "high")}
    return pd.DataFrame({"minutes": drawn.minutes, **points})


def drivers(at: Marts, scope: Scope) -> pd.DataFrame:
    """What goes with NPS where the scope is: driver, level, people, effect, low, high (points).

    Within the one service line or the one location that is chosen, else of everybody; of all
    months. Empty where there are too few answers, or small cells are folded.
    """
    mart = DRIVERS
    part, value = within(scope)
    statement = (
        sa.select(*(mart.c[name] for name in ("driver", "level", "people", "effect")))
        .add_columns(mart.c.low, mart.c.high)
        .where(mart.c.part == part, mart.c.part_value == value)
        .order_by(mart.c.driver, mart.c.effect.desc(), mart.c.level)
    )
    return at.ask(statement).astype({"people": "int64", "effect": "float64"})


def within(scope: Scope) -> tuple[str, str]:
    """The part of the answers that drivers are told of under a scope, and its value."""
    if len(scope.service_lines) == 1 and not scope.locations:
        return "service_line", scope.service_lines[0]
    if len(scope.locations) == 1 and not scope.service_lines:
        return "location", scope.locations[0]
    return "", ""


def reviews(at: Marts, scope: Scope) -> pd.DataFrame:
    """Reviews of the scope's months by site, location and stars: site, location, stars, reviews."""
    mart = REVIEWS
    grain = (mart.c.site, mart.c.location, mart.c.stars)
    statement = (
        sa.select(*grain, total(mart.c.reviews))
        .where(mart.c.kind == "review", _months(mart, scope, "day"), *_places(mart, scope))
        .group_by(*grain)
        .order_by(*grain)
    )
    return at.ask(statement).astype({"stars": "int64", "reviews": "int64"})


def ratings(at: Marts, scope: Scope) -> pd.DataFrame:
    """What each site shows of each location by now: site, location, day, shown, shown_reviews."""
    mart = REVIEWS
    statement = (
        sa.select(
            mart.c.site,
            mart.c.location,
            mart.c.day,
            mart.c.rating.label("shown"),
            mart.c.reviews.label("shown_reviews"),
        )
        .where(mart.c.kind == "rating", *_places(mart, scope))
        .order_by(mart.c.site, mart.c.location)
    )
    return at.ask(statement)


def _scored(frame: pd.DataFrame) -> pd.DataFrame:
    counts = ("people", *CLASSES)
    frame = frame.astype(dict.fromkeys(counts, "int64"))
    frame["nps"] = 100 * nps(*(frame[name] for name in CLASSES))
    low, high = interval(frame["promoters"], frame["passives"], frame["detractors"])
    return frame.assign(low=100 * low, high=100 * high)


def _within(mart: sa.TableClause, scope: Scope) -> list[sa.ColumnElement[bool]]:
    return [_months(mart, scope), *in_dimensions(mart, scope)]


def _months(mart: sa.TableClause, scope: Scope, name: str = "month") -> sa.ColumnElement[bool]:
    return mart.c[name].between(scope.since.replace(day=1), scope.last_day)


def _places(mart: sa.TableClause, scope: Scope) -> list[sa.ColumnElement[bool]]:
    return [mart.c.location.in_(scope.locations)] if scope.locations else []
