"""Reading path files: CSV with `path` and `conversions`, and maybe `value` and `nulls`.

Rows are counted as a spreadsheet counts them: the header is row 1, and blank lines are rows too.
"""

import csv
import re
import textwrap
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from attribution.errors import BadInput
from attribution.models.encoding import COLUMNS, SEPARATOR, RowOf, encode, place
from attribution.models.paths import Floats, Paths

Progress = Callable[[str, int, int], None]
_BLOCK = 1 << 22
# What a file begins with that is called .csv and is none.
_OTHER_FILES = {
    b"PK\x03\x04": "is an Excel workbook or a zip archive; save its sheet as CSV in UTF-8.",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook; save its sheet as CSV in UTF-8.",
    b"\x1f\x8b": "is compressed; unpack it first.",
    b"PAR1": "is a Parquet file; read it with pandas, and give attribution.attribute the frame.",
}


def quiet(_stage: str, _done: int, _total: int) -> None:
    """Tell nobody."""


def read_paths(path: Path, progress: Progress = quiet, separator: str = SEPARATOR) -> Paths:
    """The journeys of a CSV file; `progress` hears the stage, and how many bytes of how many."""
    _check_opening(path)
    try:
        names = _columns(path, _header(path))
        table = _read(path, list(names.values()), progress)
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise BadInput(_explained(path, str(error))) from None
    row_of = partial(_row_in_file, path)
    try:
        numbers = {name: _cast(table[names[name]], name, row_of) for name in list(names)[1:]}
        return encode(table[names["path"]], numbers, separator, row_of)
    except BadInput as error:
        raise BadInput(f"{path.name}: {error}") from None


def _check_opening(path: Path) -> None:
    """Refuse what is no file of text, and files without rows."""
    if path.is_dir():
        raise BadInput(f"{path} is a folder; name a CSV file of paths in it.")
    if not path.is_file():
        if path.exists():
            raise BadInput(f"{path} is a pipe or a device; write it into a CSV file first.")
        raise BadInput(f"There is no file {path}; name a CSV file of paths.")
    with path.open("rb") as file:
        opening = file.read(1 << 16).removeprefix(b"\xef\xbb\xbf")
    for mark, reason in _OTHER_FILES.items():
        if opening.startswith(mark):
            raise BadInput(f"{path.name} {reason}")
    if opening.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in opening:
        raise BadInput(f"{path.name} is not UTF-8 text; save it as CSV in UTF-8.")
    text = opening.strip()
    if not text:
        raise BadInput(f"{path.name} is empty: it needs a header and at least one row.")
    if path.stat().st_size < 1 << 16 and not set(text) & set(b"\r\n"):
        raise BadInput(f"{path.name} has no rows: it needs at least one below its header.")


def _read(path: Path, columns: list[str], progress: Progress) -> pa.Table:
    """The columns asked for, as texts."""
    size = path.stat().st_size
    with path.open("rb") as file:
        reader = _reader(
            file,
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                include_columns=columns,
                strings_can_be_null=False,
            ),
        )
        batches = []
        for batch in reader:
            batches.append(batch)
            progress("read", min(file.tell(), size), size)
        return pa.Table.from_batches(batches, reader.schema)


def _header(path: Path) -> list[str]:
    with _opened(path) as file:
        try:
            return next(fields for fields in csv.reader(file) if fields)
        except csv.Error:
            raise BadInput(f"{path.name} cannot be read as CSV; check its header.") from None


def _opened(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def _reader(file: BinaryIO, convert: pyarrow.csv.ConvertOptions) -> pyarrow.csv.CSVStreamingReader:
    return pyarrow.csv.open_csv(
        file,
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=convert,
    )


def _explained(path: Path, reason: str) -> str:
    """Why Arrow could not read a file, in words that say what to do."""
    record = re.search(r"Row #(\d+)", reason)
    row = _row_in_file(path, int(record[1]) - 2) if record else None
    where = f"Row {row:,} of {path.name}" if row else path.name
    if "straddling" in reason:
        return (
            f"{path.name} has a row longer than {_BLOCK:,} bytes; "
            "look for a quotation mark that is opened and not closed."
        )
    width = re.search(r"Expected (\d+) columns, got (\d+)", reason)
    if width and int(width[2]) < int(width[1]) and _runaway_row(path) == row:
        return f"{where} opens a quotation mark that nothing closes; close it."
    if width:
        few = "give each row a field for each column."
        many = "put quotes around a path that holds commas."
        advice = few if int(width[2]) < int(width[1]) else many
        return f"{where} has {width[2]} fields where the header has {width[1]}; {advice}"
    if "UTF" in reason.upper():
        return f"{where} is not UTF-8 text; save it as CSV in UTF-8."
    return f"{where} cannot be read as CSV; check its quotes and its header."


def _row_in_file(path: Path, index: int) -> int:
    """The row of a spreadsheet for the record at an index below the header."""
    with _opened(path) as file:
        filled = (row for row, fields in enumerate(csv.reader(file), 1) if fields)
        try:
            return next(islice(filled, index + 1, None))
        except (csv.Error, StopIteration):
            return index + 2


def _runaway_row(path: Path) -> int | None:
    """The row in which a quotation mark opens that nothing closes."""
    row = 1
    with _opened(path) as file:
        try:
            for row, _ in enumerate(csv.reader(file, strict=True), 2):  # noqa: B007
                pass
        except csv.Error as error:
            return row if "unexpected end" in str(error) or "limit" in str(error) else None
    return None


def _columns(path: Path, header: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for column in header:
        name = column.strip().casefold()
        if name in found and name in COLUMNS:
            raise BadInput(f"{path.name} has two columns {name}; keep one.")
        found[name] = column
    if len(header) == 1 and (mark := next((m for m in ";\t|" if m in header[0]), "")):
        raise BadInput(
            f"The columns of {path.name} are separated by {mark!r}; save it with commas instead."
        )
    if missing := [name for name in COLUMNS[:2] if name not in found]:
        raise BadInput(
            f"{path.name} has no column {' and no column '.join(missing)}; its header is "
            f"{textwrap.shorten(', '.join(header), 200, placeholder=' ...')}."
        )
    return {name: found[name] for name in COLUMNS if name in found}


def _cast(column: pa.ChunkedArray, name: str, row_of: RowOf) -> Floats:
    texts = pc.utf8_trim_whitespace(column)
    try:
        numbers: Floats = texts.cast(pa.float64()).to_numpy()
        return numbers
    except pa.ArrowInvalid:
        row = next(i for i, text in enumerate(texts.to_pylist()) if not _is_number(text))
        shown = "is empty" if not texts[row].as_py() else "is not a number"
        raise BadInput(
            f"{place(row, row_of, name)} {shown}; write a plain number such as 12.5, "
            "and 0 where there was nothing."
        ) from None


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(pa.scalar(text).cast(pa.float64()).as_py()))
    except pa.ArrowInvalid:
        return False
