"""What the page Cohorts asks: how many patients have some things in common, and their journeys.

A group is who has all the chosen things; of one thing several values may be chosen, and any of them
will do. Every patient has one value of each dimension, so numbers of people add up along all of
them. Conditions are apart: who has several is counted with each, so one is chosen at a time.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import sqlalchemy as sa

from attribution.narrowing import MICROS, total
from attribution.queries import Marts
from attribution.small_cells import OTHER

AGES = ("0-17", "18-29", "30-44", "45-59", "60-74", "75+", "unknown")
LAPSES = (
    *("active", "due", "overdue", "lapsed", "lost"),
    *("open loop", "no recall", "excluded"),
)
SILENCES = ("0-6", "6-12", "12-18", "18-24", "24-36", "36+")
RESPONSES = ("none sent", "sent", "opened", "clicked", "booked")
# By dimension, its values in the order in which pages show them; where there is none, by name. The
# dimensions go from the one that readers need most to the one that is given up first where there
# are too few people to tell apart.
ORDERS: Mapping[str, tuple[str, ...]] = {
    "service_line": (),
    "lapse": LAPSES,
    "age_band": AGES,
    "location": (),
    "response": RESPONSES,
    "zip3": (),
    "months_silent": SILENCES,
}
DIMENSIONS = tuple(ORDERS)
# Ways and channels are kept without these two, or there would be too many rows.
NOT_OF_JOURNEYS = ("zip3", "months_silent")
OF_JOURNEYS = tuple(name for name in DIMENSIONS if name not in NOT_OF_JOURNEYS)
SUMS = (
    *("people", "visits", "shown", "missed", "value_micros", "was_silent", "came_back"),
    *("answers", "promoters", "detractors", "touched", "touches", "arrived", "days_to_visit"),
    "missers",
)
MEASURES = ("first_channel", "last_channel", "days", "way")
PATIENT_GROUPS = sa.table(
    "patient_groups", *map(sa.column, ("condition", *DIMENSIONS, "people", "everyone"))
)
PATIENT_NUMBERS = sa.table("patient_numbers", *map(sa.column, ("condition", *DIMENSIONS, *SUMS)))
PATIENT_JOURNEYS = sa.table(
    "patient_journeys",
    *map(sa.column, ("condition", "measure", *OF_JOURNEYS, "item", "people")),
)


@dataclass(frozen=True, slots=True)
class Group:
    """What the patients of a group have in common; what is empty is not asked for."""

    service_line: tuple[str, ...] = ()
    lapse: tuple[str, ...] = ()
    age_band: tuple[str, ...] = ()
    location: tuple[str, ...] = ()
    response: tuple[str, ...] = ()
    zip3: tuple[str, ...] = ()
    months_silent: tuple[str, ...] = ()
    condition: str = ""

    @property
    def wanted(self) -> dict[str, tuple[str, ...]]:
        """The values chosen of each dimension that is narrowed."""
        every = {name: getattr(self, name) for name in DIMENSIONS}
        return {name: values for name, values in every.items() if values}

    @property
    def has_ways(self) -> bool:
        """Whether its channels and ways are kept."""
        return not self.wanted.keys() & set(NOT_OF_JOURNEYS)


def group_of(said: Mapping[str, object], known: Mapping[str, Collection[str]]) -> Group:
    """The group that `said` asks for; what is not known is not asked for.

    To choose every value of a dimension is to choose none.
    """
    chosen: dict[str, Any] = {}
    for name in DIMENSIONS:
        values = said.get(name)
        asked = set(values) if isinstance(values, Iterable) and not isinstance(values, str) else ()
        found = tuple(value for value in known[name] if value in asked)
        chosen[name] = () if len(found) == len(known[name]) else found
    condition = said.get("condition")
    chosen["condition"] = condition if condition in known["condition"] else ""
    return Group(**chosen)


def known_values(at: Marts) -> dict[str, tuple[str, ...]]:
    """What every dimension can be narrowed to, and the conditions, by name of the column."""
    asked = [_listed(name, PATIENT_GROUPS.c.condition == "") for name in DIMENSIONS]
    asked.append(_listed("condition", PATIENT_GROUPS.c.condition != ""))
    frame = at.ask(sa.union_all(*asked))
    found = {}
    for name in (*DIMENSIONS, "condition"):
        rows = frame[frame["dimension"] == name]
        # What is folded cannot be chosen: it is not all that has no name.
        found[name] = _in_order(name, set(rows["value"]) - {OTHER})
    return found


def _listed(name: str, among: sa.ColumnElement[bool]) -> sa.Select[Any]:
    value = PATIENT_GROUPS.c[name]
    return (
        sa.select(sa.literal(name).label("dimension"), value.label("value")).where(among).distinct()
    )


def _in_order(name: str, values: Iterable[str]) -> tuple[str, ...]:
    order = ORDERS.get(name, ())
    places = {value: place for place, value in enumerate(order)}
    return tuple(sorted(values, key=lambda value: (places.get(value, len(order)), value)))


def counted(at: Marts, group: Group) -> pd.DataFrame:
    """The people of a group by each dimension: dimension, value, people.

    The rows of one dimension add up to the group.
    """
    mart = PATIENT_GROUPS
    columns = [mart.c[name] for name in DIMENSIONS]
    statement = (
        sa.select(*columns, total(mart.c.people))
        .where(*_among(mart, group))
        .group_by(sa.func.grouping_sets(*(sa.tuple_(column) for column in columns)))
    )
    frame = at.ask(statement)
    parts = []
    for name in DIMENSIONS:
        rows = frame[frame[name].notna()].rename(columns={name: "value"})
        parts.append(rows.assign(dimension=name)[["dimension", "value", "people"]])
    found = pd.concat(parts, ignore_index=True).astype({"people": "int64"})
    return found.sort_values(["dimension", "value"], ignore_index=True)


def sums(at: Marts, group: Group) -> dict[str, float]:
    """What a group's journeys came to, all added up, by name of SUMS; money in whole units."""
    mart = PATIENT_NUMBERS
    statement = sa.select(*(total(mart.c[name]) for name in SUMS)).where(*_among(mart, group))
    row = at.ask(statement).iloc[0]
    found = {name: float(row[name]) for name in SUMS}
    return found | {"value_micros": found["value_micros"] / MICROS}


def conditions(at: Marts, group: Group) -> pd.DataFrame:
    """How many of a group that names no condition have each. Columns: value, people.

    They are more than the people: who has several is counted with each.
    """
    mart = PATIENT_GROUPS
    statement = (
        sa.select(mart.c.condition.label("value"), total(mart.c.people))
        .where(mart.c.condition != "", *_of_dimensions(mart, group))
        .group_by(mart.c.condition)
        .order_by(mart.c.condition)
    )
    return at.ask(statement).astype({"people": "int64"})


def journeys(at: Marts, group: Group) -> pd.DataFrame:
    """The group by channels, days and ways: measure, item, people; no row where none are kept."""
    mart = PATIENT_JOURNEYS
    if not group.has_ways:
        return pd.DataFrame(columns=["measure", "item", "people"]).astype({"people": "int64"})
    statement = (
        sa.select(mart.c.measure, mart.c.item, total(mart.c.people))
        .where(*_among(mart, group))
        .group_by(mart.c.measure, mart.c.item)
        .order_by(mart.c.measure, mart.c.item)
    )
    return at.ask(statement).astype({"people": "int64"})


def without(whole: pd.DataFrame, part: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """What is left of the rows of `whole` when `part`, which is some of the same, is taken away."""
    numbers = [str(name) for name in whole.columns if name not in by]
    left = whole.set_index(by)[numbers].sub(part.set_index(by)[numbers], fill_value=0)
    left = left[left["people"] > 0].astype("int64")
    return left.reset_index().sort_values(by, ignore_index=True)


def _among(mart: sa.TableClause, group: Group) -> list[sa.ColumnElement[bool]]:
    return [mart.c.condition == group.condition, *_of_dimensions(mart, group)]


def _of_dimensions(mart: sa.TableClause, group: Group) -> list[sa.ColumnElement[bool]]:
    return [mart.c[name].in_(values) for name, values in group.wanted.items()]
