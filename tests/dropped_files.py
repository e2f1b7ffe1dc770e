"""Files that are dropped for a test, and what is read of them."""

import gzip
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
import zstandard

from connectors import files
from connectors.errors import (
    SourceChanged,
)
from connectors.source import Columns, Context, Cursor, Rejected

PAYMENTS = {"match": "*", "row": "payment", "constants": {"currency": "USD"}}
HEADER = "payment_id,posted_at,amount,patient_id"
GOOD = f"{HEADER}\n007,2026-01-05T10:00:00Z,12.50,p1\n008,2026-01-06T10:00:00Z,-3,\n"


def source(folder, *tables, **options):
    given = {"folder": str(folder), "files": list(tables or [PAYMENTS]), **options}
    now = datetime(2026, 11, 24, tzinfo=UTC)
    return files.connect(Context("drop", "clinic", given, now, date(2024, 1, 1)))


def drop(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def load(opened, cursors=None):
    """All rows and rejects of the slices that read well, and the cursors they leave."""
    rows, rejected, left = [], [], {}
    for piece in opened.slices(cursors or {}):
        for item in piece.read():
            if isinstance(item, Columns):
                rows += item.table.to_pylist()
            elif isinstance(item, Rejected):
                rejected.append(item)
            elif isinstance(item, Cursor):
                left[piece.cursor_key] = item.value
    return rows, rejected, left


def fault(folder, content: str | bytes, name="a.csv", **table) -> str:
    """What is said of a file that cannot be read."""
    drop(folder, name, content)
    with pytest.raises(SourceChanged) as raised:
        load(source(folder, PAYMENTS | table))
    assert name in str(raised.value)
    return str(raised.value)


def as_xlsx(rows, *, sheets=("Data",), above=0) -> bytes:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"default_date_format": "yyyy-mm-dd hh:mm"})
    for title in sheets:
        sheet = book.add_worksheet(title)
        for number, row in enumerate(rows, start=above):
            sheet.write_row(number, 0, row)
    book.close()
    return stream.getvalue()


def payments() -> list[dict[str, object]]:
    return [
        {"payment_id": "007", "posted_at": datetime(2026, 1, 5, 10, tzinfo=UTC),
         "amount": Decimal("12.50"), "patient_id": "p1"},
        {"payment_id": "008", "posted_at": datetime(2026, 1, 6, 10, tzinfo=UTC),
         "amount": Decimal("-3"), "patient_id": None},
    ]  # fmt: skip


def in_format(name: str) -> bytes:
    if name.endswith(".parquet"):
        stream = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(payments()), stream, row_group_size=1)
        return stream.getvalue()
    if name.endswith(".xlsx"):
        cells = [[r["payment_id"], r["posted_at"].replace(tzinfo=None), float(r["amount"]),
                  r["patient_id"]] for r in payments()]  # fmt: skip
        return as_xlsx([HEADER.split(","), *cells])
    if "json" in name:
        lines = (json.dumps(r | {"amount": float(r["amount"])}, default=str) for r in payments())
        plain = "\n".join(lines).encode()
    else:
        plain = GOOD.replace(",", "\t" if ".tsv" in name else ",").encode()
    if name.endswith(".gz"):
        return gzip.compress(plain)
    return zstandard.compress(plain) if name.endswith(".zst") else plain
