"""What the page Research asks of the people of research: counts, for holders of a permit only."""

from dataclasses import dataclass

import pandas as pd
import sqlalchemy as sa

from attribution.errors import StorageError
from attribution.people import People
from attribution.research.cohort import Cohort
from attribution.research.rules import K
from attribution.versions import SENTENCE

PEOPLE = sa.table(
    "research_people",
    *map(sa.column, ("person_id", "age", "sex", "first_visit", "service_line", "location")),
    sa.column("condition"),
)
WEEKS = sa.table(
    "research_weeks",
    *map(sa.column, ("kind", "name", "location", "weeks", "begins", "visits", "people")),
    *map(sa.column, ("pollen", "air")),
)
_AGE = sa.cast(sa.func.least(sa.func.floor(PEOPLE.c.age / 10), 9) * 10, sa.Integer)
_YEAR = sa.extract("year", PEOPLE.c.first_visit)
BY = {"location": PEOPLE.c.location, "age": _AGE}


@dataclass(frozen=True, slots=True)
class Choices:
    """What a cohort can be made of; conditions are those of eleven people or more."""

    service_lines: tuple[str, ...]
    conditions: tuple[str, ...]
    locations: tuple[str, ...]
    sexes: tuple[str, ...]
    first_year: int
    last_year: int
    people: int


def require(at: People) -> None:
    """Raise StorageError where a generation of an earlier version has none of these tables."""
    known = sa.table("tables", sa.column("table_name"), schema="information_schema")
    held = set(at.ask(sa.select(known.c.table_name))["table_name"])
    if not {PEOPLE.name, WEEKS.name} <= held:
        raise StorageError(SENTENCE)


def choices(at: People) -> Choices:
    """What there is, of all people."""

    def of(name: str) -> tuple[str, ...]:
        column, people = PEOPLE.c[name], sa.func.count()
        statement = (
            sa.select(column)
            .where(column != "")
            .group_by(column)
            .having(people >= K)
            .order_by(people.desc(), column)
        )
        return tuple(str(value) for value in at.ask(statement)[name])

    span = sa.select(
        sa.func.min(_YEAR).label("first"), sa.func.max(_YEAR).label("last"),
        sa.func.count().label("people"),
    ).select_from(PEOPLE)  # fmt: skip
    first, last, people = at.ask(span).iloc[0]
    return Choices(
        of("service_line"),
        of("condition"),
        of("location"),
        of("sex"),
        int(first or 0),
        int(last or 0),
        int(people),
    )


def prevalence(at: People, cohort: Cohort, conditions: tuple[str, ...], by: str) -> pd.DataFrame:
    """People of a cohort, and those of them with any of the conditions.

    Columns: name, people, cases. `by` is one of `BY`; conditions are what is looked for, not what
    the cohort is made of.
    """
    column = BY[by].label("name")
    cases = sa.func.count(sa.case((PEOPLE.c.condition.in_(conditions), 1)))
    statement = (
        sa.select(column, sa.func.count().label("people"), cases.label("cases"))
        .where(*_within(cohort), *([PEOPLE.c.age >= 0] if by == "age" else []))
        .group_by(column)
        .order_by(column)
    )
    return at.ask(statement)


def periods(at: People, location: str) -> pd.DataFrame:
    """Visits by week and by four weeks of a place ('' is all), with pollen and air."""
    statement = sa.select(*WEEKS.c).where(WEEKS.c.location == location)
    order = (WEEKS.c.kind, WEEKS.c.name, WEEKS.c.weeks, WEEKS.c.begins)
    return at.ask(statement.order_by(*order))


def _within(cohort: Cohort) -> list[sa.ColumnElement[bool]]:
    cohort.check()
    chosen: list[sa.ColumnElement[bool]] = [
        column.in_(values)
        for column, values in (
            (PEOPLE.c.service_line, cohort.service_lines),
            (PEOPLE.c.condition, cohort.conditions),
            (PEOPLE.c.location, cohort.locations),
            (PEOPLE.c.sex, cohort.sexes),
        )
        if values
    ]
    for column, low, high in (
        (PEOPLE.c.age, cohort.age_from, cohort.age_to),
        (_YEAR, cohort.first_year, cohort.last_year),
    ):
        if low is not None:
            chosen.append(column >= low)
        if high is not None:
            chosen.append(column <= high)
    return chosen
