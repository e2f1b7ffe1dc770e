"""The cohort report: everything that the page Cohorts shows, a row for each number."""

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict

from attribution.errors import BadInput
from attribution.group_queries import Group
from attribution.reports.cells import guarded, plain_number
from attribution.ui.view import View

NAME = "cohort report"


def cohort_report(view: View) -> bytes:
    """CSV with a row for each number, of the cohort and of what it is compared with.

    Columns: part, item, unit, cohort, compared, currency. Of the part `numbers` the items are those
    of the registry; the other parts are dimensions with the people and the share of each value.
    As in other reports: RFC 4180, UTF-8 with byte order mark, undefined is empty. Raises BadInput
    where the page has nothing to show.
    """
    if view.empty:
        raise BadInput(f"There is nothing to export. {view.empty}")
    table = view.tables["report"]
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([*(column.name for column in table.columns), "currency"])
    written = [guarded if c.format == "text" else plain_number for c in table.columns]
    for row in table.frame.itertuples(index=False):
        cells = (write(value) for write, value in zip(written, row, strict=True))
        writer.writerow([*cells, view.currency])
    return file.getvalue().encode("utf-8-sig")


def filters_of(group: Group, other: Group | None) -> Mapping[str, object]:
    """What the audit log says that the report is about."""
    return {"cohort": asdict(group), "compared": None if other is None else asdict(other)}
