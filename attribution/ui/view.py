"""What a page shows, as plain values: built once, cached, drawn by a page and read by an export."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from attribution.metrics import Better, Format, definition


@dataclass(frozen=True, slots=True)
class Column:
    """How a column of a table is titled, written and explained."""

    name: str
    title: str
    format: Format = "text"
    help: str = ""
    more: bool = False  # shown on demand, where all columns would not fit beside each other


def measured(name: str, title: str = "", *, more: bool = False) -> Column:
    """The column of a defined number, explained as the registry explains it."""
    meaning = definition(name)
    return Column(name, title or meaning.title, meaning.format, meaning.help, more)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as shown and as exported; `frame` holds exactly the named columns, in order."""

    title: str
    columns: tuple[Column, ...]
    frame: pd.DataFrame
    note: str = ""  # what to do about it
    empty: str = "None."  # what it says without a row


def table_of(
    title: str,
    columns: tuple[Column, ...],
    frame: pd.DataFrame,
    note: str = "",
    empty: str = "None.",
) -> Table:
    """The table of these columns of a frame, which may have more."""
    return Table(title, columns, frame[[column.name for column in columns]], note, empty)


def with_parts(table: Table) -> Table:
    """A table for people, whose counts show a decimal where a part of one would look like none.

    Credit is shared out, and what cost something by patient did bring a part of one.
    """
    columns = tuple(
        replace(column, format="number")
        if column.format == "count" and _has_parts(table.frame[column.name])
        else column
        for column in table.columns
    )
    return replace(table, columns=columns)


def _has_parts(counts: "pd.Series[Any]") -> bool:
    numbers = pd.to_numeric(counts, errors="coerce")  # what is not known is None
    return bool(numbers.abs().between(0, 0.5, "neither").any())


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a small frame as plain values."""
    return [
        {str(name): value for name, value in row.items()}
        for row in frame.astype(object).to_dict("records")
    ]


@dataclass(frozen=True, slots=True)
class Metric:
    """One headline number with what it was before and its course by week."""

    name: str
    title: str
    value: float | None
    before: float | None
    format: Format
    help: str
    better: Better = "up"
    course: tuple[float | None, ...] = ()
    interval: str = ""  # how sure the value is, in words


@dataclass(frozen=True, slots=True)
class Figure:
    """A Plotly figure as a plain dict, with its takeaway in words and its numbers as a table."""

    title: str
    spec: Mapping[str, Any]
    alt: str
    help: str = ""
    table: str = ""  # name of the table in the view that holds the same numbers


@dataclass(frozen=True, slots=True)
class View:
    """Everything a page shows: the question it answers, its numbers, figures, tables and notes."""

    question: str
    metrics: tuple[Metric, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    remark: str = ""  # how the page reads the question, where a filter asks something else
    warnings: tuple[str, ...] = ()  # what must be read before the numbers
    notes: tuple[str, ...] = ()
    currency: str = "USD"
    empty: str = ""  # what to do when there is nothing to show; "" when there is
