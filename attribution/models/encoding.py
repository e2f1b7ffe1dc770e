"""Reading path texts: the channels of each row as codes, and rows that took the same path as one.

Texts are read in blocks, which fit in a processor's cache: of a million rows, most of the time
would else go into asking for memory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from attribution.errors import BadInput
from attribution.models.paths import Codes, Floats, Paths, Tally

SEPARATOR = " > "
ALONE = "none"  # the separator of paths that are one channel each, whatever stands in its name
UNATTRIBUTED = "unattributed"
COLUMNS = ("path", "conversions", "value", "nulls")

RowOf = Callable[[int], int]

LARGEST = 1e15  # beyond, a double cannot tell one conversion more
SMALLEST = 1e-9  # below, squares of what a conversion brings leave what a double can hold
_BLOCK_ROWS = 1 << 16
_BLOCK_TOUCHES = 1 << 18
# Paths that hold one of these and never the separator were written with another one.
_OTHER_SEPARATORS = (" -> ", "->", " > ", ">", "→", "|", ";", ",", "»")
_SCATTER = np.uint64(0x9E3779B97F4A7C15)
_GATHER = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))


def counted(index: int) -> int:
    """What people call the row at an index where all rows are counted from 1."""
    return index + 1


def encode(
    texts: pa.Array | pa.ChunkedArray,
    numbers: dict[str, Floats],
    separator: str = SEPARATOR,
    row_of: RowOf = counted,
) -> Paths:
    """Journeys of path texts and their numbers; `row_of` says what people call a row."""
    if not separator.strip():
        raise BadInput("The separator between channels cannot be empty or only blanks.")
    if not len(texts):
        raise BadInput("There are no rows: at least one path with its conversions is needed.")
    _check_numbers(numbers, row_of)
    channels, rows = _split(texts, separator, row_of)
    tally, untouched = _row_tally(numbers, len(texts)), None
    touched = np.diff(rows.starts) > 0
    if not touched.all():
        empty = tally.take(~touched)
        untouched = empty.grouped(np.zeros(len(empty.conversions), dtype=np.int64), 1)
        tally = tally.take(touched)
        rows = _Rows(rows.codes, np.append(rows.starts[:-1][touched], rows.starts[-1]))
    number, example = _distinct(rows)
    distinct = rows.take(example)
    return Paths(
        channels, distinct.codes.astype(np.int64), distinct.starts,
        tally.grouped(number, len(example)), untouched, "value" in numbers, "nulls" in numbers,
    )  # fmt: skip


@dataclass(frozen=True)
class _Rows:
    """The channels of each row, laid end to end: `codes[starts[i]:starts[i + 1]]`."""

    codes: NDArray[np.int32]
    starts: Codes

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """Stretches of rows, and of their touches."""
        since, rows = 0, len(self.starts) - 1
        while since < rows:
            enough = self.starts[since] + _BLOCK_TOUCHES
            until = max(int(np.searchsorted(self.starts, enough, side="right")) - 1, since + 1)
            yield slice(since, until), slice(int(self.starts[since]), int(self.starts[until]))
            since = until

    def take(self, rows: Codes) -> "_Rows":
        """Some rows, in the order given."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        places = np.repeat(self.starts[rows] - starts[:-1], lengths)
        places += np.arange(len(places))
        return _Rows(self.codes[places], starts)


def _check_numbers(numbers: dict[str, Floats], row_of: RowOf) -> None:
    for name, column in numbers.items():
        size = np.abs(column)
        fine = size.sum() <= LARGEST  # and so every one is a number
        if name != "value":
            fine = fine and column.min() >= 0 and np.where(size, size, 1.0).min() >= SMALLEST
        if not fine:
            _refuse_number(name, column, row_of)
    if not numbers["conversions"].any():
        raise BadInput(
            "Column conversions is 0 in every row: nobody converted, so there is no credit to give."
        )


def _refuse_number(name: str, column: Floats, row_of: RowOf) -> None:
    size = np.abs(column)
    is_count = name != "value"
    for wrong, reason in (
        (~np.isfinite(column), "is not a number; write 0 where there was nothing."),
        (size > LARGEST, "is larger than any count or sum of money can be."),
        (is_count & (column < 0), "is negative, and a count cannot be."),
        (is_count & (size > 0) & (size < SMALLEST), "is smaller than any count can be."),
    ):
        if wrong.any():
            raise BadInput(f"{place(int(np.argmax(wrong)), row_of, name)} {reason}")
    raise BadInput(f"Column {name} adds up to more than any count or sum of money can be.")


def place(index: int, row_of: RowOf, column: str) -> str:
    """Where something is wrong, in the words of a person who looks for it."""
    return f"Row {row_of(index):,}, column {column},"


def _row_tally(numbers: dict[str, Floats], size: int) -> Tally:
    conversions = numbers["conversions"]
    value = numbers.get("value", np.zeros(size))
    events = np.where(conversions > 0, conversions, 1.0)
    return Tally(conversions, numbers.get("nulls", np.zeros(size)), value, value**2 / events)


def _split(
    texts: pa.Array | pa.ChunkedArray, separator: str, row_of: RowOf
) -> tuple[tuple[str, ...], _Rows]:
    seen: dict[str, int] = {}
    parts, lengths = [], []
    for block in _text_blocks(texts):
        lists = _each_alone(block) if separator == ALONE else pc.split_pattern(block, separator)
        coded = lists.flatten().dictionary_encode()
        found = [seen.setdefault(name, len(seen)) for name in coded.dictionary.to_pylist()]
        parts.append(np.array(found, dtype=np.int32)[coded.indices.to_numpy()])
        lengths.append(np.diff(lists.offsets.to_numpy()))
    rows = _Rows(np.concatenate(parts), np.concatenate([[0], np.cumsum(np.concatenate(lengths))]))
    spelled = pc.utf8_normalize(pa.array(list(seen), type=pa.string()), form="NFC")
    names = pc.utf8_trim_whitespace(spelled).to_pylist()
    _check_names(names, rows, separator, row_of)
    channels = tuple(sorted({name for name in names if name}))
    number = {name: index for index, name in enumerate(channels)}
    codes = np.array([number.get(name, -1) for name in names], dtype=np.int32)[rows.codes]
    if all(names):
        return channels, _Rows(codes, rows.starts)
    kept = codes >= 0
    touches = np.diff(rows.starts) * kept[rows.starts[:-1]]
    return channels, _Rows(codes[kept], np.concatenate([[0], np.cumsum(touches)]))


def _each_alone(block: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(range(len(block) + 1), pa.int32()), block)


def _text_blocks(texts: pa.Array | pa.ChunkedArray) -> Iterator[pa.Array]:
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        for since in range(0, len(chunk), _BLOCK_ROWS):
            yield chunk.slice(since, _BLOCK_ROWS)


def _check_names(names: list[str], rows: _Rows, separator: str, row_of: RowOf) -> None:
    """Refuse what was meant for another separator, or is no path."""
    codes, lengths = rows.codes, np.diff(rows.starts)

    def refuse(wrong: NDArray[np.bool_], reason: str) -> None:
        row = int(np.searchsorted(rows.starts, int(np.argmax(wrong)), side="right")) - 1
        raise BadInput(f"{place(row, row_of, 'path')} {reason}")

    if not all(names):
        blank = np.array([not name for name in names], dtype=bool)[codes]
        amid = blank & np.repeat(lengths > 1, lengths)
        if amid.any():
            refuse(amid, "has an empty channel: a separator with nothing before or after it.")
    if any("\0" in name for name in names):
        refuse(
            np.array(["\0" in name for name in names], dtype=bool)[codes],
            "holds a NUL character, which no text has.",
        )
    all_alone = len(codes) == len(lengths)
    foreign = "" if separator == ALONE else _foreign_separator(names, separator, all_alone)
    if foreign:
        refuse(
            np.array([foreign in name for name in names], dtype=bool)[codes],
            f"seems to be separated by {foreign!r} and not by {separator!r}; "
            f"name the separator that the file uses, or {ALONE} if each path is one channel.",
        )
    if UNATTRIBUTED in names:
        raise BadInput(
            f"A channel is called {UNATTRIBUTED!r}, the name of the row for journeys without "
            "a touch; rename the channel."
        )


def _foreign_separator(names: list[str], separator: str, all_alone: bool) -> str:
    """What seems to stand between channels instead, or nothing."""

    def found(mark: str) -> bool:
        return any(mark in name for name in names)

    mark = separator.strip()
    longer = [other for other in _OTHER_SEPARATORS if mark in other and other != separator]
    if mark != separator and found(mark):
        return next(filter(found, longer), mark)
    return next(filter(found, _OTHER_SEPARATORS), "") if all_alone else ""


def _distinct(rows: _Rows) -> tuple[Codes, Codes]:
    """Number the distinct paths: each row's number, and a row for each number.

    Paths are told apart by a number made of their channels. Its order has nothing to do with the
    order of the rows, so neither has any result. Should two paths get the same number, they are
    told apart one by one instead.
    """
    if len(rows.starts) == 1:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    marks = _marks(rows)
    order = np.argsort(marks)
    sorted_marks = marks[order]
    new = np.ones(len(order), dtype=bool)
    np.not_equal(sorted_marks[1:], sorted_marks[:-1], out=new[1:])
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(new) - 1
    example = order[new]
    if len(example) < len(order) and not _equal(rows, example[number]):
        return _distinct_one_by_one(rows)
    return number, example


def _marks(rows: _Rows) -> NDArray[np.uint64]:
    """The channels of each row as digits of a number, to a base that scatters them."""
    marks = np.empty(len(rows.starts) - 1, dtype=np.uint64)
    longest = max(touches.stop - touches.start for _, touches in rows.blocks())
    powers = np.cumprod(np.full(longest, _SCATTER))
    back = np.cumprod(np.full(longest, _GATHER))
    for block, touches in rows.blocks():
        digits = rows.codes[touches].astype(np.uint64)
        digits += np.uint64(1)
        digits *= powers[: len(digits)]
        starts = rows.starts[block] - touches.start
        marks[block] = np.add.reduceat(digits, starts) * back[starts]
    return marks


def _equal(rows: _Rows, twin: Codes) -> bool:
    """Whether each row has the same channels as its twin."""
    others = np.flatnonzero(twin != np.arange(len(twin)))
    lengths = np.diff(rows.starts)
    if not np.array_equal(lengths[others], lengths[twin[others]]):
        return False
    blocks = (others[since : since + _BLOCK_ROWS] for since in range(0, len(others), _BLOCK_ROWS))
    return all(
        np.array_equal(rows.take(block).codes, rows.take(twin[block]).codes) for block in blocks
    )


def _distinct_one_by_one(rows: _Rows) -> tuple[Codes, Codes]:
    ends = zip(rows.starts[:-1], rows.starts[1:], strict=True)
    names = [rows.codes[since:until].tobytes() for since, until in ends]
    example = {name: row for row, name in enumerate(names)}
    number = {name: index for index, name in enumerate(sorted(example))}
    return (
        np.array([number[name] for name in names], dtype=np.int64),
        np.array([example[name] for name in sorted(example)], dtype=np.int64),
    )
