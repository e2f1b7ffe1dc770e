"""The channel report: the numbers of the Channels page as a file."""

import csv
import io
from collections.abc import Mapping
from typing import Literal

from attribution.errors import BadInput
from attribution.reports.cells import guarded, plain_number
from attribution.ui.view import Table, View


def channel_report(view: View, about: Mapping[str, str], fmt: Literal["csv", "xlsx"]) -> bytes:
    """The report of what the Channels page shows; `about` is what it says of itself.

    Raises BadInput where the page has nothing to show.
    """
    if view.empty:
        raise BadInput(f"There is nothing to export. {view.empty}")
    if fmt == "csv":
        return campaigns_csv(view.tables["campaigns"], view.currency, about["small_cells"])
    # A second to import, and most exports of a script are CSV.
    from attribution.reports.workbook import channel_workbook

    return channel_workbook(view, about)


def campaigns_csv(table: Table, currency: str, small_cells: str = "") -> bytes:
    """One row for each channel and campaign, for machines: RFC 4180, UTF-8 with byte order mark.

    Numbers are plain, shares are fractions, undefined is empty; the last columns are the currency
    of all amounts and, where it is known, whether small cells are in the file. The mark is what
    makes Excel read the file as UTF-8.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\r\n")
    short = small_cells.partition(":")[0]
    said = {"currency": currency} | ({"small_cells": short} if short else {})
    writer.writerow([*(column.name for column in table.columns), *said])
    written = [guarded if c.format == "text" else plain_number for c in table.columns]
    for row in table.frame.itertuples(index=False):
        cells = (write(value) for write, value in zip(written, row, strict=True))
        writer.writerow([*cells, *said.values()])
    return file.getvalue().encode("utf-8-sig")
