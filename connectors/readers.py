"""Files of many formats as blocks of columns, whose values are still as the file has them."""

import codecs
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.columns import texts
from connectors.errors import SourceChanged

BATCH = 200_000
LONGEST_LINE = 8 << 20
MOST_UNPACKED = 64 << 30
_WIDE = ("utf-16", "utf-32")


@dataclass(frozen=True, slots=True)
class Layout:
    """How the files of one mapping are laid out."""

    encoding: str = "utf-8"
    delimiter: str | None = None  # None: a comma, or a tab in .tsv
    quoting: bool = True
    header_row: int = 1
    sheet: str | None = None


@dataclass(frozen=True, slots=True)
class Misfit:
    """A row that has no columns to cast: too many cells, or no JSON."""

    number: int
    shape: str
    reason: str


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows: for each column its values (texts and numbers of one column apart)."""

    columns: dict[str, list[pa.Array]]
    numbers: npt.NDArray[np.int64]
    misfits: list[Misfit] = field(default_factory=list)


# Given the names in a file's header, says which of them are wanted, or raises SourceChanged.
Choose = Callable[[Sequence[str]], Sequence[str]]


def read_parquet(name: str, stream: BinaryIO, _: Layout, choose: Choose) -> Iterator[Block]:
    """Parquet, by row group; a row's number is its place in the file."""
    try:
        file = pq.ParquetFile(stream, pre_buffer=False)  # else it keeps what was read
    except pa.ArrowException as error:
        changed(name, "is no whole Parquet file (its footer is missing or damaged)", error)
    wanted = list(choose(file.schema_arrow.names))
    first = 1
    try:
        for batch in file.iter_batches(batch_size=BATCH, columns=wanted):
            columns = {c: [batch.column(c)] for c in wanted}
            yield Block(columns, np.arange(first, first + len(batch), dtype=np.int64))
            first += len(batch)
    except (pa.ArrowException, OSError) as error:
        changed(name, f"is damaged after row {first:,}", error)


def read_ndjson(name: str, stream: BinaryIO, layout: Layout, choose: Choose) -> Iterator[Block]:
    """One JSON object a line; a row's number is its line."""
    wanted: list[str] | None = None
    encoding = layout.encoding
    if codecs.lookup(encoding).name.startswith(_WIDE):
        stream, encoding = io.BufferedReader(_Narrow(name, stream, encoding), 1 << 20), "utf-8"
    numbered = enumerate(lines(name, stream), start=1)
    while batch := list(islice(numbered, BATCH // 4)):
        records, numbers, misfits = _objects(name, batch, encoding)
        if wanted is None:
            keys = dict.fromkeys(key for record in records for key in record)
            wanted = list(choose(list(keys)))
        columns = {c: by_type([record.get(c) for record in records]) for c in wanted}
        yield Block(columns, np.array(numbers, dtype=np.int64), misfits)
    if wanted is None:
        changed(name, "is empty")


def by_type(values: Sequence[Any]) -> list[pa.Array]:
    """One array for each type among the values, null where the value is of another type."""
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return [pa.nulls(len(values))]
    if len(kinds) == 1 and kinds <= _TYPES.keys() - {int}:
        [kind] = kinds
        return [texts(values) if kind is str else pa.array(values, _TYPES[kind])]
    values = [_as(value) for value in values]
    columns = {kind: [v if type(v) is kind else None for v in values] for kind in _TYPES}
    return [
        texts(columns[kind]) if kind is str else pa.array(columns[kind], stored)
        for kind, stored in _TYPES.items()
        if any(type(v) is kind for v in values)
    ]


def unpacked(name: str, stream: BinaryIO) -> BinaryIO:
    """The stream without its compression, which the file's name tells."""
    if name.lower().endswith(".gz"):
        return _unpacking(name, stream, "gzip", b"\x1f\x8b")
    if name.lower().endswith(".zst"):
        return _unpacking(name, stream, "zstd", b"\x28\xb5\x2f\xfd")
    return stream


def changed(
    name: str,
    what: str,
    cause: BaseException | None = None,
    *,
    advice: str = "drop a whole one",
) -> NoReturn:
    """Raise what a person needs to know about a file that cannot be read."""
    raise SourceChanged(f"{name} {what}. Nothing of it was loaded; {advice}.") from cause


def mismatched(name: str, what: str, cause: BaseException | None = None) -> NoReturn:
    """Raise where a whole file is not what its mapping says."""
    advice = "correct the mapping in caretrace.toml or the file's header"
    changed(name, what, cause, advice=advice)


class _Narrow(io.RawIOBase):
    """Text whose signs are of several bytes each, as UTF-8: its lines end in a byte there."""

    def __init__(self, name: str, stream: BinaryIO, encoding: str) -> None:
        self._name, self._stream, self._encoding = name, stream, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._waiting = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._waiting and not self._ended:
            chunk = self._stream.read(1 << 20)
            self._ended = not chunk
            try:
                self._waiting = self._decoder.decode(chunk, final=self._ended).encode()
            except UnicodeError as error:
                changed(self._name, f"is not {self._encoding}: set `encoding`", error)
        data, self._waiting = self._waiting[: len(buffer)], self._waiting[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


class _Unpacked(io.RawIOBase):
    """Unpacked bytes, with an end to how many there may be."""

    def __init__(self, name: str, stream: Any) -> None:
        self._name, self._stream, self._read = name, stream, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except OSError as error:
            changed(self._name, "is cut off or damaged: it cannot be unpacked to its end", error)
        self._read += len(data)
        if self._read > MOST_UNPACKED:
            changed(self._name, f"unpacks to more than {MOST_UNPACKED >> 30} GB")
        buffer[: len(data)] = data
        return len(data)


def _unpacking(name: str, stream: BinaryIO, how: str, magic: bytes) -> BinaryIO:
    if stream.read(len(magic)) != magic:
        changed(name, f"is no {how} file in spite of its name")
    # Arrow closes what it is given; the caller still needs its own stream.
    own = os.fdopen(os.dup(stream.fileno()), "rb")
    own.seek(0)
    return io.BufferedReader(_Unpacked(name, pa.CompressedInputStream(own, how)), 1 << 20)


def lines(name: str, stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a text file, none of them endless."""
    while line := stream.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            changed(name, f"has a line of more than {LONGEST_LINE >> 20} MB")
        yield line


def _objects(
    name: str, lines: Iterable[tuple[int, bytes]], encoding: str
) -> tuple[list[dict[str, Any]], list[int], list[Misfit]]:
    records, numbers, misfits = [], [], []
    for number, line in lines:
        if not line.strip():
            continue
        try:
            record = _JSON.decode(line.decode(encoding).removeprefix("\ufeff"))
        except UnicodeDecodeError as error:
            changed(name, f"is not {encoding} in line {number:,}: set `encoding`", error)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            records.append(record)
            numbers.append(number)
        else:
            shape = f"line of {len(line.strip()):,} bytes"
            misfits.append(Misfit(number, shape, "is not a JSON object"))
    return records, numbers, misfits


def _no_constant(word: str) -> NoReturn:
    raise ValueError(word)  # NaN and Infinity are not JSON


_JSON = json.JSONDecoder(parse_constant=_no_constant)


_TYPES = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    datetime: pa.timestamp("us"),
}


def _as(value: Any) -> Any:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return value
