"""The conversion-rate game: a coalition is worth what a journey within it brings on average.

Up to 20 channels it is solved over all coalitions; beyond, over sampled orders of arrival.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from attribution.models.estimate import Influence
from attribution.models.paths import Codes, Floats, Paths, Tally, added, compress

EXACT_CHANNELS = 20
ORDERS = 512  # and as many again, backwards
_INFLUENCE_CELLS = 5_000_000
_INFLUENCE_ORDERS = 128
_LOW_BITS = 5
_SUBSETS = np.array(
    [[float(part | whole == whole) for whole in range(1 << _LOW_BITS)] for part in range(32)]
)


@dataclass(frozen=True)
class Sets:
    """Journeys by the set of channels they touched; `members` lists each set's channels."""

    members: Codes
    starts: Codes
    size: int
    tally: Tally

    @cached_property
    def masks(self) -> Codes:
        """Each set as a number with a bit for each channel."""
        masks: Codes = np.add.reduceat(np.int64(1) << self.members, self.starts[:-1])
        return masks

    @cached_property
    def per_journey(self) -> Floats:
        """One over the journeys of each coalition; 0 where it has none."""
        journeys = _spread(self.tally.conversions + self.tally.nulls, self.masks, self.size)
        _subset_sums(journeys, self.size)
        return np.divide(1.0, journeys, out=np.zeros(len(journeys)), where=journeys > 0)


@dataclass(frozen=True)
class Game:
    """Shapley values, how they lean on each set's journeys, and the variance of sampling."""

    worth: Floats
    influence: Influence | None
    sampling: Floats


def distinct_sets(paths: Paths) -> Sets:
    """The journeys by the set of channels they touched."""
    _, path, channel = paths.cells
    rng = np.random.default_rng(20)  # only names sets; different sets must not share a name
    if len(paths.channels) <= EXACT_CHANNELS:
        names = np.bincount(path, weights=2.0**channel).astype(np.int64)
        number, _ = compress(names, 1 << len(paths.channels))
    else:
        marks = rng.integers(0, 1 << 62, size=(len(paths.channels), 2))
        starts = np.searchsorted(path, np.arange(len(paths.lengths)))
        sums = np.bitwise_xor.reduceat(marks[channel], starts, axis=0)
        _, number = np.unique(sums, axis=0, return_inverse=True)
    number = np.asarray(number).ravel()
    size = int(number.max()) + 1
    example = np.empty(size, dtype=np.int64)
    example[number] = np.arange(len(number))
    sizes = np.bincount(path)[example]
    starts = np.searchsorted(path, example)
    ends = np.cumsum(sizes)
    members = channel[np.repeat(starts - (ends - sizes), sizes) + np.arange(ends[-1])]
    tally = paths.tally.grouped(number, size)
    return Sets(members, np.concatenate([[0], ends]), len(paths.channels), tally)


def exact(sets: Sets, tally: Tally, intervals: bool) -> Game:
    """Over all coalitions: subset sums by the zeta transform, then one pass for each channel.

    A coalition of s channels of n weighs a = (s-1)!(n-s)!/n! for its members and
    b = s!(n-s-1)!/n! against the others: phi_i = sum over S with i of (a + b) v - sum of b v.
    """
    size, masks = sets.size, sets.masks
    per = sets.per_journey
    rate = _spread(tally.value, masks, size)
    _subset_sums(rate, size)
    rate *= per
    members = _members(size)
    inside, outside = _weights(size)
    both, against = (inside + outside)[members], outside[members]
    worth = _sums_with_each(both * rate, size) - float(against @ rate)
    if not intervals:
        return Game(worth, None, np.zeros(size))
    joined = masks[:, None] | (np.int64(1) << np.arange(size))
    slopes = []
    for each in (per, per * rate):
        with_it, without = both * each, against * each
        _superset_sums(with_it, size)
        _superset_sums(without, size)
        slopes.append(with_it[joined] - without[masks][:, None])
    return Game(worth, Influence(-slopes[1], slopes[0], -slopes[1]), np.zeros(size))


def _spread(amounts: Floats, masks: Codes, size: int) -> Floats:
    cells = np.zeros(1 << size)
    cells[masks] = amounts
    return cells


def _subset_sums(cells: Floats, size: int) -> None:
    _low_bits(cells, size, _SUBSETS)
    for bit in range(_LOW_BITS, size):
        halves = cells.reshape(-1, 2, 1 << bit)
        halves[:, 1] += halves[:, 0]


def _superset_sums(cells: Floats, size: int) -> None:
    _low_bits(cells, size, _SUBSETS.T)
    for bit in range(_LOW_BITS, size):
        halves = cells.reshape(-1, 2, 1 << bit)
        halves[:, 0] += halves[:, 1]


def _low_bits(cells: Floats, size: int, sums: Floats) -> None:
    # Neighbours in memory are quicker summed by a small matrix than in strides.
    width = 1 << min(size, _LOW_BITS)
    table = cells.reshape(-1, width)
    table[:] = table @ sums[:width, :width]


@cache
def _members(size: int) -> NDArray[np.uint8]:
    """How many channels each coalition has."""
    return np.bitwise_count(np.arange(1 << size, dtype=np.uint32))


def _sums_with_each(cells: Floats, size: int) -> Floats:
    """For each channel, the sum over the coalitions that hold it."""
    low = size // 2
    table = cells.reshape(-1, 1 << low)
    sums = []
    for part, bits in ((table.sum(axis=0), low), (table.sum(axis=1), size - low)):
        sums += [part.reshape(-1, 2, 1 << bit)[:, 1].sum() for bit in range(bits)]
    return np.array(sums)


def _weights(size: int) -> tuple[Floats, Floats]:
    """Of a coalition by its size: for a member, and against one that is not."""
    number = np.arange(size + 1, dtype=np.float64)
    whole = gammaln(size + 1)
    inside, outside = np.zeros(size + 1), np.zeros(size + 1)
    inside[1:] = np.exp(gammaln(number[1:]) + gammaln(size - number[1:] + 1) - whole)
    outside[:-1] = np.exp(gammaln(number[:-1] + 1) + gammaln(size - number[:-1]) - whole)
    return inside, outside


def sampled(sets: Sets, tally: Tally, intervals: bool) -> Game:
    """Over random orders of arrival, each also backwards; the orders are the same every time.

    A set's journeys count from the arrival of its last channel on, so an order is one pass.
    """
    size = sets.size
    fits = intervals and len(tally.nulls) * size <= _INFLUENCE_CELLS
    lean = np.zeros((2, len(tally.nulls), size)) if fits else None
    ranked = _canonical(sets)
    rng = np.random.default_rng(1953)
    total, squares = np.zeros(size), np.zeros(size)
    for draw in range(ORDERS):
        order = ranked[rng.permutation(size)]
        pair = np.zeros(size)
        for arrivals in (order, order[::-1]):
            gained, journeys, rate, last = _arrive(sets, tally, arrivals)
            pair[arrivals] += gained / 2
            if lean is not None and draw < _INFLUENCE_ORDERS:
                _lean_on(lean, arrivals, journeys, rate, last)
        total += pair
        squares += pair**2
    worth = total / ORDERS
    sampling = np.maximum(squares / ORDERS - worth**2, 0.0) / (ORDERS - 1)
    if lean is None:
        return Game(worth, None, sampling)
    lean /= 2 * _INFLUENCE_ORDERS
    return Game(worth, Influence(-lean[1], lean[0], -lean[1]), sampling)


def _canonical(sets: Sets) -> Codes:
    """Channels in an order that their names have no part in, so that renaming changes nothing."""
    owner = np.repeat(np.arange(len(sets.starts) - 1), np.diff(sets.starts))
    size = np.diff(sets.starts)[owner]
    tally = sets.tally
    keys = [
        added(sets.members, weight, sets.size)
        for weight in (size, tally.value[owner], tally.nulls[owner], tally.conversions[owner])
    ]
    return np.lexsort(keys)


def _arrive(sets: Sets, tally: Tally, arrivals: Codes) -> tuple[Floats, Floats, Floats, Codes]:
    size = sets.size
    rank = np.empty(size, dtype=np.int64)
    rank[arrivals] = np.arange(size)
    last = np.maximum.reduceat(rank[sets.members], sets.starts[:-1])
    events = tally.conversions + tally.nulls
    journeys = np.cumsum(added(last, events, size))
    value = np.cumsum(added(last, tally.value, size))
    rate = np.divide(value, journeys, out=np.zeros(size), where=journeys > 0)
    return np.diff(rate, prepend=0.0), journeys, rate, last.astype(np.int64)


def _lean_on(lean: Floats, arrivals: Codes, journeys: Floats, rate: Floats, last: Codes) -> None:
    size = len(arrivals)
    counted = np.arange(size)[:, None] <= np.arange(size)[None, :]
    per = np.divide(1.0, journeys, out=np.zeros(size), where=journeys > 0)
    for index, each in enumerate((per, per * rate)):
        table = np.diff(np.where(counted, each, 0.0), axis=1, prepend=0.0)
        by_channel = np.empty_like(table)
        by_channel[:, arrivals] = table
        lean[index] += by_channel[last]


def solve(sets: Sets, tally: Tally, *, intervals: bool) -> Game:
    """The Shapley values of a game whose journeys bring the value of `tally`."""
    if sets.size <= EXACT_CHANNELS:
        return exact(sets, tally, intervals)
    return sampled(sets, tally, intervals)
