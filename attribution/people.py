"""Every question that is asked of single people's journeys, and the permit that each needs.

People are numbers here, and touches are days before a conversion. It is still theirs: whoever asks
shows a `Permit`, which only those make who have looked at whether the reader may see people.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import pandas as pd
import sqlalchemy as sa

from attribution.errors import NotAllowed
from attribution.models.journey_credit import OF_CONVERSION, shared
from attribution.narrowing import MICROS
from attribution.path_queries import STEPS
from attribution.paths import Home
from attribution.queries import Scope
from attribution.warehouse import open_people

COMMON_PATHS = 60  # so many of the commonest ways are looked at for examples
_AT_ONCE = 50_000  # conversions whose touches are in memory together
SHARES = tuple(f"{name}_share" for name in shared())
_TOUCHES = sa.table(
    "journey_credit",
    *(sa.column(name) for name in (*OF_CONVERSION, "step", "steps", "days_before")),
    *(sa.column(name) for name in ("channel", "campaign", *SHARES)),
)
_JOURNEYS = sa.table(
    "journeys", *(sa.column(name) for name in (*OF_CONVERSION, "steps", "days", *STEPS))
)


@dataclass(frozen=True, slots=True)
class Permit:
    """That its holder may see single people, why, and who they are."""

    reason: str
    reader: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which conversions are asked for: those of every kind, place and week unless said."""

    kind: str | None = None
    since: date | None = None
    until: date | None = None
    service_lines: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()


class People:
    """The journeys of one published generation, open for questions."""

    def __init__(self, home: Home, generation: int) -> None:
        self._engine = open_people(home, generation)

    def connect(self) -> sa.Connection:
        """A connection that can only read, for rows by the million."""
        return self._engine.connect()

    def ask(self, statement: sa.Executable) -> pd.DataFrame:
        """The answer to one statement."""
        with self._engine.connect() as connection:
            result = connection.execute(statement)
            # As tuples: pandas asks each row of SQLAlchemy's for what it does not have.
            return pd.DataFrame(map(tuple, result), columns=list(result.keys()))


def people(home: Home, generation: int, permit: Permit) -> People:
    """The journeys of a generation, for the holder of a permit."""
    if not isinstance(permit, Permit) or not permit.reason:
        raise NotAllowed("Journeys of single people are for those who may see people.")
    return _opened(home, generation)


@lru_cache(maxsize=4)
def _opened(home: Home, generation: int) -> People:
    return People(home, generation)


def keeps_journeys(at: People) -> bool:
    """Whether single journeys are kept; the settings may say that none is."""
    return not at.ask(sa.select(_JOURNEYS.c.conversion_id).limit(1)).empty


def typical(at: People, scope: Scope, channel: str) -> pd.DataFrame:
    """One journey for each of the commonest ways that a channel was part of, commonest first.

    The one in the middle by length in days, the older one of two. Columns: conversion_id, week,
    steps, days, step_1 to step_4, share (the channel's under the scope's model) and journeys.
    """
    own = _TOUCHES.c[f"{scope.model}_share"]
    asked = Asked(scope.kind, scope.since, scope.until, scope.service_lines, scope.locations)
    given = (
        sa.select(_TOUCHES.c.conversion_id, sa.func.sum(own).label("share"))
        .where(_TOUCHES.c.channel == channel, *_among(_TOUCHES, asked))
        .group_by(_TOUCHES.c.conversion_id)
        .cte("given")
    )
    way = [_JOURNEYS.c[step] for step in STEPS]
    placed = (
        sa.select(
            *(_JOURNEYS.c[name] for name in ("conversion_id", "week", "steps", "days", *STEPS)),
            given.c.share,
            sa.func.row_number()
            .over(partition_by=way, order_by=[_JOURNEYS.c.days, _JOURNEYS.c.conversion_id])
            .label("place"),
            sa.func.count().over(partition_by=way).label("journeys"),
        )
        .join_from(_JOURNEYS, given, _JOURNEYS.c.conversion_id == given.c.conversion_id)
        .where(_JOURNEYS.c.conversions > 0, *_among(_JOURNEYS, asked))
        .cte("placed")
    )
    statement = (
        sa.select(*(column for column in placed.c if column.name != "place"))
        .where(placed.c.place * 2 >= placed.c.journeys, placed.c.place * 2 < placed.c.journeys + 2)
        .order_by(placed.c.journeys.desc(), placed.c.conversion_id)
        .limit(COMMON_PATHS)
    )
    frame = at.ask(statement)
    return frame.astype({"share": "float64"})


def touches(at: People, conversions: Sequence[int]) -> pd.DataFrame:
    """The touches of some conversions in order.

    Columns: conversion_id, step, days_before, channel and each model's share.
    """
    names = ("conversion_id", "step", "days_before", "channel", *SHARES)
    columns = [_TOUCHES.c[name] for name in names]
    statement = (
        sa.select(*columns)
        .where(_TOUCHES.c.conversion_id.in_([int(number) for number in conversions]))
        .order_by(_TOUCHES.c.conversion_id, _TOUCHES.c.step)
    )
    return at.ask(statement).astype(dict.fromkeys(SHARES, "float64"))


def credited_touches(at: People, asked: Asked, models: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Every touch of the conversions asked for, in order, some conversions at a time.

    Columns: those of the table, with `value` in whole units for `value_micros`, and the shares
    of these models.
    """
    kept = [_TOUCHES.c[name] for name in OF_CONVERSION[:-1]]
    money = (sa.cast(_TOUCHES.c.value_micros, sa.Double) / MICROS).label("value")
    shares = [sa.cast(_TOUCHES.c[f"{n}_share"], sa.Double).label(f"{n}_share") for n in models]
    told = [_TOUCHES.c[name] for name in ("step", "steps", "days_before", "channel", "campaign")]
    number = _TOUCHES.c.conversion_id
    among = _among(_TOUCHES, asked)
    ends = sa.select(sa.func.min(number).label("first"), sa.func.max(number).label("last"))
    first, last = at.ask(ends.where(*among)).iloc[0]
    if pd.isna(first):
        return
    for begin in range(int(first), int(last) + 1, _AT_ONCE):
        some = at.ask(
            sa.select(*kept, money, *told, *shares)
            .where(number.between(begin, begin + _AT_ONCE - 1), *among)
            .order_by(number, _TOUCHES.c.step)
        )
        if len(some):
            yield some


def _among(table: sa.TableClause, asked: Asked) -> list[sa.ColumnElement[bool]]:
    chosen: list[Any] = []
    if asked.kind is not None:
        chosen.append(table.c.kind == asked.kind)
    if asked.since is not None:
        chosen.append(table.c.week >= asked.since)
    if asked.until is not None:
        chosen.append(table.c.week <= asked.until)
    if asked.service_lines:
        chosen.append(table.c.service_line.in_(asked.service_lines))
    if asked.locations:
        chosen.append(table.c.location.in_(asked.locations))
    return chosen
