"""What the pages ask of the mart of cohorts: what came so far, and what is still expected."""

import pandas as pd
import sqlalchemy as sa

from attribution.narrowing import MICROS
from attribution.queries import (
    CONVERSIONS,
    CONVERSIONS_WEEKLY,
    SPEND,
    WEEK,
    Marts,
    Scope,
    about,
    reported_until,
)

MONEY = "collected"
PAUSE = pd.Timedelta(weeks=4)  # spend silent for longer has been paused: no source is so late
_AMOUNTS = ("arrived", "expected", "low", "high")
COHORTS = sa.table(
    "cohorts",
    *map(sa.column, ("kind_from", "kind_to", "service_line", "week", "age_weeks", "entered")),
    *map(sa.column, (*_AMOUNTS, "maturity", "is_immature")),
)


def cohorts_by_week(at: Marts, scope: Scope, kind_from: str, *kinds_to: str) -> pd.DataFrame:
    """Cohorts of the scope's weeks, all its service lines together.

    Columns: kind_to, week, entered, arrived, expected, low, high, maturity. Money is in the
    report's currency. Service lines miss independently of one another, so their intervals add up
    as the roots of their squares; maturity is weighed by what is expected.
    """
    mart = COHORTS.c
    sums = {
        **{name: mart[name] for name in ("entered", "arrived", "expected")},
        "below": (mart.expected - mart.low) * (mart.expected - mart.low),
        "above": (mart.high - mart.expected) * (mart.high - mart.expected),
        "ripe": mart.maturity * mart.expected,
    }
    statement = (
        sa.select(
            mart.kind_to,
            mart.week,
            *(sa.cast(sa.func.sum(each), sa.Double).label(name) for name, each in sums.items()),
            sa.func.avg(mart.maturity).label("maturity"),
        )
        .where(
            mart.kind_from == kind_from,
            mart.kind_to.in_(kinds_to),
            mart.week.between(scope.since, scope.until),
            *([mart.service_line.in_(scope.service_lines)] if scope.service_lines else []),
        )
        .group_by(mart.kind_to, mart.week)
        .order_by(mart.kind_to, mart.week)
    )
    frame = at.ask(statement).astype(dict.fromkeys((*sums, "maturity"), "float64"))
    expected = frame["expected"]
    unit = frame["kind_to"].map({MONEY: float(MICROS)}).fillna(1.0)
    return pd.DataFrame(
        {
            "kind_to": frame["kind_to"],
            "week": frame["week"],
            "entered": frame["entered"],
            "arrived": frame["arrived"] / unit,
            "expected": expected / unit,
            "low": (expected - frame["below"] ** 0.5) / unit,
            "high": (expected + frame["above"] ** 0.5) / unit,
            "maturity": (frame["ripe"] / expected.where(expected > 0)).fillna(frame["maturity"]),
        }
    )


def thin_lines(at: Marts, scope: Scope, kind_from: str) -> tuple[str, ...]:
    """The chosen service lines that have cohorts of their own in fewer than half of the weeks."""
    if not scope.service_lines:
        return ()
    mart = COHORTS.c
    statement = (
        sa.select(mart.service_line, sa.func.count(mart.week.distinct()).label("weeks"))
        .where(mart.kind_from == kind_from, mart.week.between(scope.since, scope.until))
        .group_by(mart.service_line)
    )
    found = at.ask(statement)
    weeks = dict(zip(found["service_line"], found["weeks"], strict=True))
    return tuple(line for line in scope.service_lines if weeks.get(line, 0) * 2 < scope.weeks)


def reported_weeks(at: Marts) -> dict[str, pd.Timestamp]:
    """The last week that is reported to its end, by kind of conversion and of spend.

    A source may end earlier than others: what it would have said of later weeks is not nought.
    Of spend, a silence longer than `PAUSE` is a paused budget, and has no row.
    """
    facts = about(at)
    # Where small cells are folded, the others stand in the first week of their block.
    mart = CONVERSIONS_WEEKLY if at.protected else CONVERSIONS
    kind, week = mart.c.kind, mart.c.week
    # What is dated in weeks to come shows nothing of those before.
    running = facts.last_week + WEEK
    seen = at.ask(
        sa.select(kind, sa.func.max(week).label("week")).where(week <= running).group_by(kind)
    )
    ever = sa.select(sa.func.max(SPEND.c.week).label("week")).where(SPEND.c.week <= running)
    spent = at.ask(ever).assign(kind="spend")
    newest = pd.to_datetime(spent["week"])
    spent = spent[newest >= pd.Timestamp(facts.last_week) - PAUSE]
    known = pd.concat([seen, spent]).dropna(subset=["week"])
    pairs = zip(known["kind"], known["week"], strict=True)
    ends = {str(name): pd.Timestamp(day) for name, day in pairs}
    if "new_patient" in ends:  # they are among the visits that are kept
        ends["new_patient"] = max(ends["new_patient"], ends.get("kept", ends["new_patient"]))
    together = facts.weeks_together if at.protected else 1
    return {name: reported_until(day, facts, together=together) for name, day in ends.items()}
