"""Rows that were kept out, as a file for whoever corrects them at the source.

Each line says where a row stands, which column is wrong, why, and what kind of value it was: never
the value, nor the row's key.
"""

import csv
import io

from attribution import health_queries, queries
from attribution.paths import Home
from attribution.reports.cells import guarded

NAME = "rejected rows"
_COLUMNS = ("source", "file", "row_number", "table_name", "column_name", "reason", "shape")


def rejects_report(home: Home, generation: int) -> bytes:
    """Every rejected row of a generation as CSV in UTF-8."""
    frame = health_queries.rejected(queries.marts(home, generation, protected=False), limit=None)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for row in frame[list(_COLUMNS)].itertuples(index=False):
        writer.writerow([v if isinstance(v, int) else guarded(v) for v in row])
    return file.getvalue().encode("utf-8")
