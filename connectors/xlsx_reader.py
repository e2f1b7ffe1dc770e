"""Spreadsheets, measured before they are unpacked: a small file may hold a very large one."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum

from connectors.readers import Block, Choose, Layout, by_type, changed

MOST_MEMBERS = 2_000
MOST_INFLATED = 1 << 30
_ROWS = 50_000
_CHUNK = 1 << 20


def read_xlsx(name: str, stream: BinaryIO, layout: Layout, choose: Choose) -> Iterator[Block]:
    """One sheet of a workbook; a row's number is the one that the spreadsheet shows."""
    _measure(name, stream)
    sheet = _sheet(name, stream, layout)
    rows = enumerate(sheet.iter_rows(), start=1)
    header = next((row for number, row in rows if number == layout.header_row), None)
    if header is None:
        changed(name, f"has no header in row {layout.header_row} of sheet {sheet.name!r}")
    names = ["" if cell == "" else str(cell).strip() for cell in header]
    places = {column: names.index(column) for column in choose(names)}
    while batch := list(islice(rows, _ROWS)):
        columns = {c: by_type([_cell(row[p]) for _, row in batch]) for c, p in places.items()}
        yield Block(columns, np.array([number for number, _ in batch], dtype=np.int64))


def _cell(value: Any) -> Any:
    """A cell as one of the types that are cast: empty text is no value, and a day is a moment."""
    if value == "":
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001  # zoned when cast
    if isinstance(value, time | timedelta):
        return str(value)
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _sheet(name: str, stream: BinaryIO, layout: Layout) -> CalamineSheet:
    stream.seek(0)
    try:
        book = CalamineWorkbook.from_filelike(stream)
        wanted = layout.sheet or _only(name, book)
        if wanted not in book.sheet_names:
            known = ", ".join(repr(sheet) for sheet in book.sheet_names)
            changed(name, f"has no sheet {wanted!r}, only {known}")
        return book.get_sheet_by_name(wanted)
    except CalamineError as error:
        changed(name, "cannot be read as a spreadsheet (is it locked by a password?)", error)


def _only(name: str, book: CalamineWorkbook) -> str:
    tables = [s.name for s in book.sheets_metadata if s.typ == SheetTypeEnum.WorkSheet]
    if len(tables) != 1:
        known = ", ".join(repr(sheet) for sheet in tables) or "none"
        changed(name, f"has {len(tables)} sheets ({known}): set `sheet` in its mapping")
    return tables[0]


def _measure(name: str, stream: BinaryIO) -> None:
    """Unpack every part without keeping it: what a zip file says of its size may be a lie."""
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            if len(members) > MOST_MEMBERS:
                changed(name, f"has {len(members):,} parts, more than {MOST_MEMBERS:,}")
            if sum(member.file_size for member in members) > MOST_INFLATED:
                _too_large(name)
            _inflate(name, stream, members)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        changed(name, "is no whole spreadsheet", error)


def _inflate(name: str, stream: BinaryIO, members: Sequence[zipfile.ZipInfo]) -> None:
    total = 0
    for member in members:
        if member.compress_type == zipfile.ZIP_STORED:
            continue
        for size in _inflated(stream, member):
            total += size
            if total > MOST_INFLATED:
                _too_large(name)


def _inflated(stream: BinaryIO, member: zipfile.ZipInfo) -> Iterator[int]:
    stream.seek(member.header_offset + 26)
    lengths = stream.read(4)
    skip = int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
    stream.seek(member.header_offset + 30 + skip)
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    left = member.compress_size
    while left > 0 and not inflate.eof:
        packed = stream.read(min(left, _CHUNK))
        if not packed:
            raise EOFError
        left -= len(packed)
        while packed and not inflate.eof:
            yield len(inflate.decompress(packed, _CHUNK))
            packed = inflate.unconsumed_tail


def _too_large(name: str) -> None:
    changed(
        name, f"unpacks to more than {MOST_INFLATED >> 30} GB: export it as CSV or Parquet instead"
    )
