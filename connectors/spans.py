"""Minutes between two columns of a file: from arriving to being roomed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.blocks import said
from connectors.cast import cast
from connectors.contract import Field
from connectors.dialect import Dialect, Fault
from connectors.moments import pattern_of
from connectors.readers import Block

# The header of a column, and what is wrong with it.
Doubt = tuple[str, Fault]

# Nobody waits longer within one visit: such a wait is a slip of the clock or of the day.
MOST_MINUTES = 12 * 60.0

_INSTANT = Field("at", "instant", False, None, None, False, None)
# Some day, for columns that hold the time of day alone.
_A_DAY, _A_DAY_FORMAT = "2001-01-01 ", "%Y-%m-%d "


@dataclass(frozen=True, slots=True)
class Span:
    """A field that is the minutes from one column to another."""

    start: str
    end: str
    clock: str | None = None  # format of times of day without their date

    def minutes(self, block: Block, dialect: Dialect) -> tuple[pa.Array, list[Doubt]]:
        """The minutes, empty where either end is missing, and what is wrong with the ends."""
        start, faults = self._ends(block, self.start, dialect)
        end, more = self._ends(block, self.end, dialect)
        between = pc.subtract(end, start).cast(pa.int64()).cast(pa.float64())
        return pc.divide(between, 60e6), [*faults, *more]

    def _ends(self, block: Block, column: str, dialect: Dialect) -> tuple[pa.Array, list[Doubt]]:
        parts = block.columns.get(column) or [pa.nulls(len(block.numbers), pa.string())]
        if self.clock is not None:
            parts = [pc.binary_join_element_wise(_A_DAY, said(block, column), "")]
            zone = dialect.timezone or "UTC"
            written = _A_DAY_FORMAT + self.clock
            dialect = replace(dialect, datetime_format=written, timezone=zone)
        found, faults = cast(_INSTANT, parts, dialect)
        return found, [(column, fault) for fault in faults]


def unlikely(minutes: pa.Array) -> list[Fault]:
    """Waits that nobody can have had."""
    return [
        Fault(_true(pc.less(minutes, 0)), "is below zero: it ends before it begins"),
        Fault(_true(pc.greater(minutes, MOST_MINUTES)), "is longer than 12 hours"),
    ]


def spans_of(
    table: Mapping[str, Any], fields: Mapping[str, Field]
) -> tuple[dict[str, Span], list[str]]:
    """The `minutes` of a mapping, or what is wrong with them."""
    given = table.get("minutes", {})
    if not isinstance(given, dict):
        return {}, ["minutes must be a table"]
    spans: dict[str, Span] = {}
    problems = []
    for name, ends in given.items():
        if name not in fields or fields[name].kind != "number":
            problems.append(f"minutes: {name} is no number of this row")
        elif name in table.get("columns", {}) or name in table.get("constants", {}):
            problems.append(f"{name} has both minutes and a column or constant")
        elif not isinstance(ends, dict) or not {"from", "until"} <= ends.keys() <= {
            "from", "until", "clock",
        }:  # fmt: skip
            problems.append(f"minutes.{name} must be a table of from, until and perhaps clock")
        else:
            clock = ends.get("clock")
            problems += [f"minutes.{name}: clock {fault}" for fault in _bad_clock(clock)]
            spans[name] = Span(str(ends["from"]), str(ends["until"]), clock)
    return spans, problems


def _bad_clock(clock: str | None) -> list[str]:
    try:
        pattern_of(_A_DAY_FORMAT + (clock or "%H:%M"))
    except ValueError as error:
        return [str(error).replace(_A_DAY_FORMAT, "")]
    return []


def _true(flags: pa.Array) -> Any:
    return np.asarray(pc.fill_null(flags, False))
