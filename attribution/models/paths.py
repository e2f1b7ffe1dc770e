"""Journeys as numbers: what the models of a path file read.

A path file has one row for many journeys that took the same path. Its channels become codes, laid
end to end, so that every model is a few passes over flat arrays. Journeys without a touch are kept
apart: no channel earned them, and they are a row of their own in every result.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from attribution.errors import BadInput

SEPARATOR = " > "
UNATTRIBUTED = "unattributed"

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

_DENSE_CELLS = 30_000_000
# A path that holds one of these and not the separator was written by another tool.
_OTHER_SEPARATORS = (" -> ", "->", "→", "|", ";", ",", "»")
_SCATTER = np.uint64(0x9E3779B97F4A7C15)
_GATHER = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))


@dataclass(frozen=True)
class Tally:
    """What happened to journeys: how many converted, how many did not, and what they brought.

    `squares` is the sum of each conversion's value squared, where a row's conversions share its
    value equally; the interval of a value needs it.
    """

    conversions: Floats
    nulls: Floats
    value: Floats
    squares: Floats

    def take(self, rows: NDArray[np.generic]) -> "Tally":
        """The tallies of some rows."""
        return Tally(self.conversions[rows], self.nulls[rows], self.value[rows], self.squares[rows])

    def grouped(self, groups: Codes, size: int) -> "Tally":
        """The tallies added up by group."""
        columns = (self.conversions, self.nulls, self.value, self.squares)
        return Tally(*(_totals(groups, column, size) for column in columns))


@dataclass(frozen=True)
class Paths:
    """Distinct paths: `codes[starts[i]:starts[i + 1]]` are the channels of path `i`."""

    channels: tuple[str, ...]
    codes: Codes
    starts: Codes
    tally: Tally
    untouched: Tally | None  # one row: journeys without a touch
    has_value: bool
    has_nulls: bool

    @cached_property
    def lengths(self) -> Codes:
        """How many touches each path has."""
        return np.diff(self.starts)

    @cached_property
    def owners(self) -> Codes:
        """The path of each touch."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @cached_property
    def steps(self) -> Codes:
        """The step of each touch in its path, from 0."""
        return np.arange(len(self.codes)) - np.repeat(self.starts[:-1], self.lengths)

    @cached_property
    def earning(self) -> "Paths":
        """The paths that have something to give credit for."""
        return self.take(np.flatnonzero((self.tally.conversions > 0) | (self.tally.squares > 0)))

    def take(self, rows: Codes) -> "Paths":
        """Some paths, in the order given."""
        lengths = self.lengths[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        places = np.repeat(self.starts[rows] - starts[:-1], lengths)
        places += np.arange(len(places))
        return replace(self, codes=self.codes[places], starts=starts, tally=self.tally.take(rows))

    @property
    def touch_cells(self) -> float:
        """How large a matrix of one number for each touch and each channel would be."""
        return float(len(self.codes)) * len(self.channels)

    @cached_property
    def cells(self) -> tuple[Codes, Codes, Codes]:
        """Pairs of path and channel that occur: of each touch, and each pair's path and channel."""
        size = len(self.channels)
        keys = self.owners * size + self.codes
        cell, found = compress(keys, len(self.lengths) * size)
        return cell, found // size, found % size


def compress(keys: Codes, bound: int) -> tuple[Codes, Codes]:
    """Number the distinct keys by size: each key's number, and the key of each number."""
    if bound > _DENSE_CELLS:
        found, number = np.unique(keys, return_inverse=True)
        return number, found
    seen = np.zeros(bound, dtype=bool)
    seen[keys] = True
    found = np.flatnonzero(seen)
    numbers = np.empty(bound, dtype=np.int64)
    numbers[found] = np.arange(len(found))
    return numbers[keys], found


def added(groups: Codes, amounts: Floats, size: int) -> Floats:
    """The amounts added up by group."""
    return np.bincount(groups, weights=amounts, minlength=size).astype(np.float64, copy=False)


def encode_frame(frame: pd.DataFrame, separator: str = SEPARATOR) -> Paths:
    """Journeys of a frame with columns `path`, `conversions` and optionally `value`, `nulls`."""
    found = {str(name).strip().casefold(): name for name in frame.columns}
    if missing := [name for name in ("path", "conversions") if name not in found]:
        raise BadInput(
            f"The frame has no column {' and no column '.join(missing)}; it has "
            f"{', '.join(map(str, frame.columns)) or 'no columns at all'}."
        )
    texts = frame[found["path"]]
    if pd.api.types.infer_dtype(texts, skipna=True) != "string":
        known = texts.map(lambda text: isinstance(text, str) or bool(pd.isna(text)))
        if not known.astype(bool).all():
            raise BadInput(f"{_place(int(np.argmin(known)), 1, 'path')} is not a text.")
        texts = texts.astype("str")
    numbers: dict[str, Floats] = {}
    for name in ("conversions", "value", "nulls"):
        if name in found:
            column = pd.to_numeric(frame[found[name]], errors="coerce")
            numbers[name] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    strings = pa.array(texts, type=pa.string(), from_pandas=True)
    if isinstance(strings, pa.ChunkedArray):
        strings = strings.combine_chunks()
    return encode(strings.fill_null(""), numbers, separator)


def encode(
    texts: pa.Array, numbers: dict[str, Floats], separator: str = SEPARATOR, first_row: int = 1
) -> Paths:
    """Journeys of path texts and their numbers; `first_row` is what people call the first row."""
    if not separator.strip():
        raise BadInput("The separator between channels cannot be empty or only blanks.")
    if not len(texts):
        raise BadInput("There are no rows: at least one path with its conversions is needed.")
    _check_numbers(numbers, first_row)
    codes, starts, channels = _split(texts, separator, first_row)
    tally, untouched = _row_tally(numbers, len(texts)), None
    touched = np.diff(starts) > 0
    if not touched.all():
        empty = tally.take(~touched)
        untouched = empty.grouped(np.zeros(len(empty.conversions), dtype=np.int64), 1)
        tally = tally.take(touched)
        starts = np.append(starts[:-1][touched], starts[-1])
    rows = Paths(channels, codes, starts, tally, untouched, "value" in numbers, "nulls" in numbers)
    number, example = _distinct(rows)
    return replace(rows.take(example), tally=tally.grouped(number, len(example)))


def _check_numbers(numbers: dict[str, Floats], first_row: int) -> None:
    for name, column in numbers.items():
        wrong = ~np.isfinite(column)
        if wrong.any():
            place = _place(int(np.argmax(wrong)), first_row, name)
            raise BadInput(f"{place} is not a number; write 0 where there was nothing.")
        if name != "value" and (column < 0).any():
            place = _place(int(np.argmax(column < 0)), first_row, name)
            raise BadInput(f"{place} is negative, and a count cannot be.")
    if not numbers["conversions"].any():
        raise BadInput(
            "Column conversions is 0 in every row: nobody converted, so there is no credit to give."
        )


def _place(index: int, first_row: int, column: str) -> str:
    return f"Row {index + first_row:,}, column {column},"


def _row_tally(numbers: dict[str, Floats], size: int) -> Tally:
    conversions = numbers["conversions"]
    value = numbers.get("value", np.zeros(size))
    events = np.where(conversions > 0, conversions, 1.0)
    return Tally(conversions, numbers.get("nulls", np.zeros(size)), value, value**2 / events)


def _totals(groups: Codes, amounts: Floats, size: int) -> Floats:
    # Fractions do not add up to the same last digit in every order, and the order of the rows
    # must not matter.
    if not np.array_equal(amounts, np.rint(amounts)):
        some = np.flatnonzero(amounts)
        order = some[np.argsort(amounts[some])]
        groups, amounts = groups[order], amounts[order]
    return added(groups, amounts, size)


def _split(texts: pa.Array, separator: str, first_row: int) -> tuple[Codes, Codes, tuple[str, ...]]:
    lists = pc.split_pattern(texts, separator)
    starts = lists.offsets.to_numpy().astype(np.int64)
    coded = lists.flatten().dictionary_encode()
    names = pc.utf8_trim_whitespace(coded.dictionary).to_pylist()
    codes = coded.indices.to_numpy().astype(np.int64)
    _check_names(names, codes, starts, separator, first_row)
    channels = sorted({name for name in names if name})
    number = {name: index for index, name in enumerate(channels)}
    codes = np.array([number.get(name, -1) for name in names], dtype=np.int64)[codes]
    if all(names):
        return codes, starts, tuple(channels)
    kept = codes >= 0
    lengths = np.diff(starts) * kept[starts[:-1]]
    return codes[kept], np.concatenate([[0], np.cumsum(lengths)]), tuple(channels)


def _check_names(
    names: list[str], codes: Codes, starts: Codes, separator: str, first_row: int
) -> None:
    """Refuse what was meant for another separator, or is no path."""

    def refuse(wrong: NDArray[np.bool_], reason: str) -> None:
        row = int(np.searchsorted(starts, int(np.argmax(wrong)), side="right")) - 1
        raise BadInput(f"{_place(row, first_row, 'path')} {reason}")

    alone = len(codes) == len(starts) - 1
    if not all(names):
        blank = np.array([not name for name in names], dtype=bool)[codes]
        amid = blank & np.repeat(np.diff(starts) > 1, np.diff(starts))
        if amid.any():
            refuse(amid, "has an empty channel between two separators.")
    foreign = _foreign_separator(names, separator, alone)
    if foreign:
        refuse(
            np.array([foreign in name for name in names], dtype=bool)[codes],
            f"seems to be separated by {foreign!r} and not by {separator!r}; "
            "name the separator that the file uses.",
        )
    if UNATTRIBUTED in names:
        raise BadInput(
            f"A channel is called {UNATTRIBUTED!r}, the name of the row for journeys without "
            "a touch; rename the channel."
        )


def _foreign_separator(names: list[str], separator: str, all_alone: bool) -> str:
    mark = separator.strip()
    if mark != separator and any(mark in name for name in names):
        return mark
    if not all_alone:
        return ""
    return next((s for s in _OTHER_SEPARATORS if any(s in name for name in names)), "")


def _distinct(rows: Paths) -> tuple[Codes, Codes]:
    """Number the distinct paths: each row's number, and a row for each number.

    Paths are told apart by a number made of their channels. Its order has nothing to do with the
    order of the rows, so neither has any result. Should two paths get the same number, they are
    told apart one by one instead.
    """
    if not len(rows.lengths):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    marks = _marks(rows)
    order = np.argsort(marks)
    new = np.ones(len(order), dtype=bool)
    new[1:] = marks[order][1:] != marks[order][:-1]
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(new) - 1
    example = order[new]
    twin = example[number]
    same = np.array_equal(rows.lengths, rows.lengths[twin])
    if same and len(example) < len(order):
        shift = np.repeat(rows.starts[twin] - rows.starts[:-1], rows.lengths)
        shift += np.arange(len(shift))
        same = np.array_equal(rows.codes, rows.codes[shift])
    return (number, example) if same else _distinct_one_by_one(rows)


def _marks(rows: Paths) -> NDArray[np.uint64]:
    """The channels of each path as digits of a number, to a base that scatters them."""
    powers = np.cumprod(np.full(len(rows.codes), _SCATTER))
    back = np.cumprod(np.full(len(rows.codes), _GATHER))
    powers *= rows.codes.astype(np.uint64) + np.uint64(1)
    digits: NDArray[np.uint64] = np.add.reduceat(powers, rows.starts[:-1])
    digits *= back[rows.starts[:-1]]
    return digits


def _distinct_one_by_one(rows: Paths) -> tuple[Codes, Codes]:
    ends = zip(rows.starts[:-1], rows.starts[1:], strict=True)
    names = [rows.codes[since:until].tobytes() for since, until in ends]
    example = {name: row for row, name in enumerate(names)}
    number = {name: index for index, name in enumerate(sorted(example))}
    return (
        np.array([number[name] for name in names], dtype=np.int64),
        np.array([example[name] for name in sorted(example)], dtype=np.int64),
    )
