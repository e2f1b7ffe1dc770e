"""Journeys as numbers: what the models of a path file read.

A path file has one row for many journeys that took the same path. Its channels become codes, laid
end to end, so that every model is a few passes over flat arrays. Journeys without a touch are kept
apart: no channel earned them, and they are a row of their own in every result.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

_DENSE_CELLS = 30_000_000


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
        return Tally(*(totals(groups, column, size) for column in columns))


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


def totals(groups: Codes, amounts: Floats, size: int) -> Floats:
    """The same, to the same last digit in whatever order the rows come."""
    # Fractions do not add up to the same last digit in every order, and the order of the rows
    # must not matter.
    if not np.array_equal(amounts, np.rint(amounts)):
        some = np.flatnonzero(amounts)
        order = some[np.argsort(amounts[some])]
        groups, amounts = groups[order], amounts[order]
    return added(groups, amounts, size)
