"""Reports as CSV, for machines."""

import csv
import io

import pandas as pd

from attribution.reports.about import another_day
from attribution.reports.assembling import not_empty
from attribution.reports.cells import guarded, number, plain_number
from attribution.reports.document import Document
from attribution.ui.view import Column, Table, View, records


def campaigns_csv(
    table: Table, currency: str, small_cells: str = "", counted_by: str = ""
) -> bytes:
    """One row for each channel and campaign, for machines: RFC 4180, UTF-8 with byte order mark.

    Numbers are plain, shares are fractions, undefined is empty; the last columns are the currency
    of all amounts and, where they are known, whether small cells are in the file and by which day,
    other than the usual one, it counts. The mark is what makes Excel read the file as UTF-8.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\r\n")
    short = small_cells.partition(":")[0]
    known = {"small_cells": short, "counted_by": counted_by}
    said = {"currency": currency} | {name: value for name, value in known.items() if value}
    writer.writerow([*(column.name for column in table.columns), *said])
    written = [guarded if c.format == "text" else plain_number for c in table.columns]
    for row in table.frame.itertuples(index=False):
        cells = (write(value) for write, value in zip(written, row, strict=True))
        writer.writerow([*cells, *said.values()])
    return file.getvalue().encode("utf-8-sig")


def report_csv(view: View, small_cells: str) -> bytes:
    """What a page has for its report; raises BadInput where it shows nothing."""
    return campaigns_csv(not_empty(view).tables["report"], view.currency, small_cells)


def document_csv(document: Document) -> bytes:
    """The report as CSV: its one table where it has such a one, else a row for each number.

    Columns then: part, item, number, value, currency, small_cells; money in whole units, shares as
    fractions, days as 2026-11-16 in `item`.
    """
    table, about = document.csv or every_number(document), document.about
    return campaigns_csv(table, document.currency, about["small_cells"], another_day(about))


def every_number(document: Document) -> Table:
    """Every number of a report: the headline, then each row of each section."""
    rows: list[tuple[str, str, str, float | None]] = [
        ("Headline", "", each.name, number(each.value)) for each in document.headline
    ]
    for section in document.sections:
        columns = section.table.columns
        named = [c.name for c in columns if c.format in ("text", "day")]
        for row in records(section.table.frame):
            item = " · ".join(_name(row[name]) for name in named)
            rows += [
                (section.name, item, c.name, number(row[c.name]))
                for c in columns
                if c.name not in named
            ]
    names = ("part", "item", "number", "value")
    frame = pd.DataFrame(rows, columns=list(names)).astype({"value": "float64"})
    words = tuple(Column(name, name.title()) for name in names[:3])
    return Table(document.title, (*words, Column("value", "Value", "number")), frame)


def _name(value: object) -> str:
    return value if isinstance(value, str) else f"{pd.Timestamp(str(value)):%Y-%m-%d}"
