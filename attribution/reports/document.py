"""A report before it is a file: headline numbers, sections with tables and charts, definitions.

Every format draws this one thing, so that a number is the same in all of them. A chart names the
columns of its section's table and holds no number of its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import pandas as pd

from attribution.metrics import METRICS, Definition
from attribution.ui.view import Column, Metric, Table, with_parts

MOST = 14  # rows of a chart whose names can be read in print
ChartKind = Literal["bars", "lines", "dots", "intervals", "heat"]


@dataclass(frozen=True, slots=True)
class Chart:
    """How a section's table is drawn, by the names of its columns.

    `bars` and `lines`: a series for each of `values`. `dots`: the values of a row on one line, from
    the least to the most. `intervals`: `values` are the number and its two ends. `heat`: the first
    of `values` in a cell for each `label` and each `across`.
    """

    kind: ChartKind
    title: str
    label: str
    values: tuple[str, ...]
    words: str  # the takeaway
    across: str = ""
    most: int = MOST  # rows drawn, from the top
    marks: tuple[date, ...] = ()  # days on which something happened, numbered from 1 on a line
    paid: bool = False  # of rows that are sorted by spend only those that have any


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a report: a table, perhaps drawn, under a name that is a sheet's name too."""

    name: str
    table: Table
    chart: Chart | None = None
    totals: str = ""  # how the row that sums all rows is called; "" where rows do not add up
    printed: int = 60  # rows in PDF and slides; workbook and CSV have all


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report. `about` is what it says of itself (attribution.reports.about)."""

    name: str
    title: str
    question: str
    about: Mapping[str, str]
    sections: tuple[Section, ...]
    headline: tuple[Metric, ...] = ()
    sentences: tuple[str, ...] = ()  # what the numbers say, computed from them
    news: tuple[str, ...] = ()  # what is new and what was restated since the last report
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    currency: str = "USD"
    banner: str = ""
    csv: Table | None = None  # the CSV file, where it is one table as pages have it

    def definitions(self) -> tuple[Definition, ...]:
        """What every number in it means, each once, in the order in which they come."""
        named = [metric.name for metric in self.headline]
        named += [c.name for s in self.sections for c in s.table.columns if _is_defined(c)]
        return tuple(METRICS[name] for name in dict.fromkeys(named) if name in METRICS)

    def undefined(self) -> Iterator[tuple[str, str]]:
        """What the other columns say of themselves: title and meaning."""
        known = {each.title for each in self.definitions()}
        said: dict[str, str] = {}
        for section in self.sections:
            for column in section.table.columns:
                if column.title not in known and column.help:
                    said.setdefault(column.title, column.help)
        yield from said.items()


def _is_defined(column: Column) -> bool:
    """Whether the registry means this number; some reports call another one by the same name."""
    return column.name in METRICS and METRICS[column.name].title == column.title


def drawn(section: Section) -> Table:
    """The rows of a section's table that its chart draws.

    Of what is `paid` for those from the top that have spend; else those of which something is
    known, and of intervals both ends.
    """
    chart = section.chart
    if chart is None or chart.kind in ("lines", "heat"):
        return section.table
    frame = _worth_drawing(section.table, chart)
    if chart.paid:
        frame = frame.head(int((section.table.frame["spend"] > 0).cummin().sum()))
    return replace(section.table, frame=frame.head(chart.most).reset_index(drop=True))


def _worth_drawing(table: Table, chart: Chart) -> pd.DataFrame:
    """The rows that a chart would draw if it had room for all, and they came first."""
    frame = table.frame
    if chart.paid:
        return frame[frame["spend"] > 0]
    known = frame[list(chart.values)].notna()
    return frame[known.all(axis=1) if chart.kind == "intervals" else known.any(axis=1)]


def chart_title(section: Section) -> str:
    """The title of a section's chart, which says how much of the table it has no room for."""
    chart, table = section.chart, section.table
    if chart is None:
        return ""
    if chart.kind == "heat":
        every = int(table.frame[chart.label].nunique())
        shown = min(every, chart.most)
    elif chart.kind == "lines":
        return chart.title
    else:
        every, shown = len(_worth_drawing(table, chart)), len(drawn(section).frame)
    return chart.title if shown == every else f"{chart.title} ({shown} of {every} drawn)"


def column(table: Table, name: str) -> Column:
    """The column of a table by its name."""
    return next(each for each in table.columns if each.name == name)


def known(section: Section) -> Table:
    """A section's table for people: without the columns of which nothing is known in any row.

    Workbook and CSV have every column, and all digits.
    """
    table = section.table
    shown = [c for c in table.columns if not len(table.frame) or table.frame[c.name].notna().any()]
    kept = replace(table, columns=tuple(shown), frame=table.frame[[c.name for c in shown]])
    return with_parts(kept)


def from_nought(section: Section) -> bool:
    """Whether the axis of a section's chart begins at nought: all that it draws is above."""
    chart = section.chart
    if chart is None:
        return False
    lowest = drawn(section).frame[list(chart.values)].min().min()
    return bool(lowest >= 0)
