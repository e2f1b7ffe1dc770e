"""CSV by Arrow's reader, under stricter rules than its own: no guessing and no lenient quotes."""

import codecs
import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as arrow_csv

from connectors.readers import LONGEST_LINE, Block, Choose, Layout, Misfit, changed

_HEAD = 1 << 20
_OPENING = 200  # bytes that tell how the rest is written
_UTF_16 = "utf-16"
_QUOTE, _LINE_FEED, _RETURN = b'"\n\r'
_OTHERS = {
    b"\x1f\x8b": "a gzip file: end its name in .gz",
    b"\x28\xb5\x2f\xfd": "a zstd file: end its name in .zst",
    b"PK\x03\x04": "a zip file or a spreadsheet: end its name in .xlsx or unpack it",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet: save it as .xlsx",
    b"PAR1": "a Parquet file: end its name in .parquet",
    b"\x7fELF": "a program",
    b"%PDF": "a PDF",
}


def read_csv(name: str, stream: BinaryIO, layout: Layout, choose: Choose) -> Iterator[Block]:
    """CSV as texts; a row's number counts records, so it is the row that a spreadsheet shows."""
    delimiter = layout.delimiter or ("\t" if ".tsv" in name.lower() else ",")
    text = _StrictText(name, stream, layout, delimiter)
    header = _header(name, text.head(), layout, delimiter)
    wanted = list(choose(header))
    places = {column: str(header.index(column)) for column in wanted}
    numbering = _Numbering(layout.header_row)
    batches = arrow_csv.open_csv(
        text,
        read_options=arrow_csv.ReadOptions(
            use_threads=False,  # else the reader does not know the numbers of bad rows
            block_size=LONGEST_LINE,
            column_names=[str(place) for place in range(len(header))],
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=delimiter,
            quote_char='"' if layout.quoting else False,
            newlines_in_values=layout.quoting,
            ignore_empty_lines=False,
            invalid_row_handler=numbering.misfit,
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types={place: pa.string() for place in places.values()},
            include_columns=list(places.values()),
            null_values=[],
            strings_can_be_null=False,
        ),
    )
    for batch in _read(name, batches):
        numbers = numbering.of(len(batch))
        skip = int(np.searchsorted(numbers, layout.header_row, side="right"))
        columns = {c: [batch.column(place).slice(skip)] for c, place in places.items()}
        yield Block(columns, numbers[skip:], numbering.taken())


def _read(name: str, batches: Any) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except pa.ArrowInvalid as error:
        if "straddling" in str(error):
            changed(name, f"has a row of more than {LONGEST_LINE >> 20} MB", error)
        changed(name, "cannot be read as CSV", error)


def _header(name: str, head: str, layout: Layout, delimiter: str) -> list[str]:
    lines = io.StringIO(head, newline="")
    rows = csv.reader(
        lines,
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if layout.quoting else csv.QUOTE_NONE,
    )
    try:
        header = next(islice(rows, layout.header_row - 1, None), None)
    except csv.Error as error:
        changed(name, "has a header that cannot be read", error)
    if not header:
        changed(name, f"has no header in row {layout.header_row}" if head.strip() else "is empty")
    return [column.strip() for column in header]


def _refuse_answer(name: str, opening: str) -> None:
    """Say what an export's failure looks like when it was saved as if it were the export."""
    if opening.startswith(("<!doctype", "<html", "<?xml")):
        changed(name, "is a web page, not CSV: the export was answered with a page, maybe a login")
    if opening.startswith(("{", "[")):
        changed(name, "is JSON, not CSV: maybe the answer of an export that failed")


class _Numbering:
    """Gives each good row its number, knowing which numbers the bad rows had."""

    def __init__(self, header_row: int) -> None:
        self._header_row = header_row
        self._last = 0
        self._bad: list[int] = []
        self._misfits: list[Misfit] = []

    def misfit(self, row: Any) -> str:
        self._bad.append(row.number)
        if row.number > self._header_row:
            count = f"{row.actual_columns} columns"
            reason = f"has {count}, the header has {row.expected_columns}"
            self._misfits.append(Misfit(row.number, count, reason))
        return "skip"

    def of(self, size: int) -> npt.NDArray[np.int64]:
        """The numbers of the next good rows; the reader tells of bad rows before these."""
        reach = np.arange(self._last + 1, self._last + 1 + size + len(self._bad), dtype=np.int64)
        numbers = reach[~np.isin(reach, self._bad)][:size] if self._bad else reach
        if size:
            self._last = int(numbers[-1])
            self._bad = [number for number in self._bad if number > self._last]
        return numbers

    def taken(self) -> list[Misfit]:
        misfits, self._misfits = self._misfits, []
        return misfits


class _StrictText(io.RawIOBase):
    """A file's text as UTF-8, refused where its encoding or its quotes are not what is declared.

    Arrow's reader takes `"a"b"` and an unclosed quote as they come and so can make one row out of
    many; every quote is therefore checked to open or close a whole value.
    """

    def __init__(self, name: str, stream: BinaryIO, layout: Layout, delimiter: str) -> None:
        self._name, self._stream, self._encoding = name, stream, layout.encoding
        self._decoder = codecs.getincrementaldecoder(layout.encoding)("strict")
        self._quotes = _Quotes(delimiter) if layout.quoting else None
        self._buffer = b""
        self._ended = self._begun = False

    def readable(self) -> bool:
        return True

    def head(self) -> str:
        """The beginning of the text, which stays to be read."""
        self._fill(_HEAD)
        return self._buffer[:_HEAD].decode("utf-8", errors="ignore")

    def readinto(self, buffer: Any) -> int:
        self._fill(len(buffer))
        data, self._buffer = self._buffer[: len(buffer)], self._buffer[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)

    def _fill(self, size: int) -> None:
        while len(self._buffer) < size and not self._ended:
            chunk = self._stream.read(_HEAD)
            self._ended = not chunk
            if not self._begun:
                self._look(chunk)
            data = self._decoded(chunk)
            line = self._quotes.fault(data, last=self._ended) if self._quotes else None
            if line is not None:
                changed(
                    self._name,
                    f'has a " in line {line:,} that neither opens nor closes a value, so its rows '
                    "cannot be told apart (where quotes are only signs, set quoting = false)",
                )
            self._buffer += data

    def _look(self, chunk: bytes) -> None:
        """Say what a file of another kind is before its bytes fail as text."""
        for magic, what in _OTHERS.items():
            if chunk.startswith(magic):
                changed(self._name, f"is not CSV but {what}")
        said = codecs.lookup(self._encoding).name
        if chunk[:2] in (b"\xff\xfe", b"\xfe\xff"):
            if not said.startswith(_UTF_16):
                changed(self._name, 'is written in UTF-16: set encoding = "utf-16" in its mapping')
            return
        found = _unmarked(chunk)
        # Without a mark UTF-16 is taken for little-endian.
        if found and said != found and (said, found) != (_UTF_16, f"{_UTF_16}-le"):
            changed(
                self._name,
                "is written in UTF-16 without the mark that says so: set "
                f'encoding = "{found}" in its mapping',
            )

    def _decoded(self, chunk: bytes) -> bytes:
        try:
            text = self._decoder.decode(chunk, final=not chunk)
        except UnicodeError as error:
            changed(
                self._name,
                f"is not written in {self._encoding}: say in its mapping what it is, such as "
                'encoding = "cp1252"',
                error,
            )
        if text and not self._begun:
            self._begun = True
            text = text.removeprefix("\ufeff")
            _refuse_answer(self._name, text[:200].lstrip().lower())
        return text.encode("utf-8")


def _unmarked(chunk: bytes) -> str:
    """The kind of UTF-16 that a text without a mark is in, or "".

    Every other byte of it is nought as long as it is in English; other texts hold none.
    """
    head = chunk[:_OPENING]
    high, low = (head[side::2].count(0) / max(len(head[side::2]), 1) for side in (0, 1))
    if max(high, low) < 0.5 or min(high, low) > 0.1:
        return ""
    return f"{_UTF_16}-le" if low > high else f"{_UTF_16}-be"


class _Quotes:
    """Follows quotes through a text that comes in pieces."""

    def __init__(self, delimiter: str) -> None:
        self._around = np.zeros(256, dtype=bool)
        self._around[[_QUOTE, _LINE_FEED, _RETURN, ord(delimiter)]] = True
        self._carried = b"\n"  # as if a line had ended before the first
        self._inside = False
        self._lines = self._opened = 1

    def fault(self, data: bytes, *, last: bool) -> int | None:
        """The line of the first quote that stands where none may, or None."""
        text = self._carried + data + (b"\n" if last else b"")
        if len(text) < 3:
            self._carried = text
            return self._opened if last and self._inside else None
        signs = np.frombuffer(text, dtype=np.uint8)
        places = np.flatnonzero(signs[1:-1] == _QUOTE) + 1
        closing = (np.arange(len(places)) + self._inside) % 2 == 1
        beside = signs[places + np.where(closing, 1, -1)]
        wrong = places[~self._around[beside]]
        if len(wrong):
            return self._lines + text.count(b"\n", 1, int(wrong[0]))
        self._inside ^= len(places) % 2 == 1
        if self._inside and len(places):
            self._opened = self._lines + text.count(b"\n", 1, int(places[-1]))
        if last and self._inside:
            return self._opened
        self._lines += text.count(b"\n", 1, len(text) - 1)
        self._carried = text[-2:]
        return None
