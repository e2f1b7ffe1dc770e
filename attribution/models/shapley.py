"""Shapley values of channels: three games (Shapley 1953; Zhao et al. 2018).

shapley_sum      a coalition is worth the conversions of journeys that touched nothing else
shapley_ordered  the same game, told apart by the position at which a channel was touched
shapley_rate     a coalition is worth the share of such journeys that converted

The value of the first game has a closed form, the equal split over a journey's distinct channels,
and the positions of the second add up to it. The third is solved over all coalitions up to 20
channels, and by sampled orders of arrival beyond.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln

from attribution.errors import BadInput
from attribution.models.estimate import (
    Estimate,
    Influence,
    Interval,
    as_counts,
    by_weights,
    no_interval,
    normal_interval,
    share_variance,
)
from attribution.models.paths import Codes, Floats, Paths, Tally, added, compress

EXACT_CHANNELS = 20
_INFLUENCE_CELLS = 5_000_000
_ORDERS = 512  # and as many again, backwards
_INFLUENCE_ORDERS = 128


def shapley_sum(paths: Paths) -> Estimate:
    """The equal split over the distinct channels of each journey."""
    return by_weights(paths.earning, _equal_split(paths.earning))


def shapley_ordered(paths: Paths) -> Estimate:
    """What each channel earns at all of its positions (see `positions`)."""
    return by_weights(paths.earning, _equal_split(paths.earning))


def positions(paths: Paths) -> pd.DataFrame:
    """The ordered value: what each channel earns at each position of a journey, from 1.

    A channel touched several times in a journey earns its part equally at each of its positions.
    """
    cell, _, _ = paths.cells
    times = np.bincount(cell)
    weight = (_equal_split(paths) / times)[cell]
    deepest = int(paths.lengths.max(initial=0))
    place, found = compress(paths.codes * deepest + paths.steps, len(paths.channels) * deepest)
    tally, owners = paths.tally, paths.owners
    return pd.DataFrame(
        {
            "channel": np.array(paths.channels, dtype=object)[found // max(deepest, 1)],
            "position": found % max(deepest, 1) + 1,
            "conversions": np.bincount(place, weights=weight * tally.conversions[owners]),
            "value": np.bincount(place, weights=weight * tally.value[owners]),
        }
    )


def _equal_split(paths: Paths) -> Floats:
    _, path, _ = paths.cells
    distinct = np.bincount(path, minlength=len(paths.lengths))
    split: Floats = 1.0 / distinct[path]
    return split


def shapley_rate(paths: Paths, *, intervals: bool = True) -> Estimate:
    """Credit by the Shapley values of the conversion rate; a channel that lowers it gets none.

    Value is shared by the value a journey brings instead, unless refunds make a path's value
    negative: then it is shared as the conversions are.
    """
    if not (paths.tally.nulls > 0).any():
        raise BadInput(
            "shapley_rate compares journeys that converted with those that did not: "
            "it needs a column nulls that is not 0 everywhere."
        )
    sets = _distinct_sets(paths)
    solve = _exact if len(paths.channels) <= EXACT_CHANNELS else _sampled
    tally, counts = sets.tally, as_counts(sets.tally)
    won = solve(sets, counts, intervals)
    conversions = _floored(won, counts)
    if not paths.has_value:
        return Estimate(conversions, None, None, _note(won, counts, len(paths.channels)))
    by_value = bool((tally.value >= 0).all() and tally.value.any())
    value = _floored(solve(sets, tally, intervals) if by_value else won, tally, by_value)
    return Estimate(conversions, value, None, _note(won, counts, len(paths.channels)))


_LOW_BITS = 5
_SUBSETS = np.array(
    [[float(part | whole == whole) for whole in range(1 << _LOW_BITS)] for part in range(32)]
)


@dataclass(frozen=True)
class _Sets:
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
class _Game:
    """Shapley values, how they lean on each set's journeys, and the variance of sampling."""

    worth: Floats
    influence: Influence | None
    sampling: Floats


def _distinct_sets(paths: Paths) -> _Sets:
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
    return _Sets(members, np.concatenate([[0], ends]), len(paths.channels), tally)


def _exact(sets: _Sets, tally: Tally, intervals: bool) -> _Game:
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
        return _Game(worth, None, np.zeros(size))
    joined = masks[:, None] | (np.int64(1) << np.arange(size))
    slopes = []
    for each in (per, per * rate):
        with_it, without = both * each, against * each
        _superset_sums(with_it, size)
        _superset_sums(without, size)
        slopes.append(with_it[joined] - without[masks][:, None])
    return _Game(worth, Influence(-slopes[1], slopes[0], -slopes[1]), np.zeros(size))


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


def _sampled(sets: _Sets, tally: Tally, intervals: bool) -> _Game:
    """Over random orders of arrival, each also backwards; the orders are the same every time.

    A set's journeys count from the arrival of its last channel on, so an order is one pass.
    """
    size = sets.size
    fits = intervals and len(tally.nulls) * size <= _INFLUENCE_CELLS
    lean = np.zeros((2, len(tally.nulls), size)) if fits else None
    ranked = _canonical(sets)
    rng = np.random.default_rng(1953)
    total, squares = np.zeros(size), np.zeros(size)
    for draw in range(_ORDERS):
        order = ranked[rng.permutation(size)]
        pair = np.zeros(size)
        for arrivals in (order, order[::-1]):
            gained, journeys, rate, last = _arrive(sets, tally, arrivals)
            pair[arrivals] += gained / 2
            if lean is not None and draw < _INFLUENCE_ORDERS:
                _lean_on(lean, arrivals, journeys, rate, last)
        total += pair
        squares += pair**2
    worth = total / _ORDERS
    sampling = np.maximum(squares / _ORDERS - worth**2, 0.0) / (_ORDERS - 1)
    if lean is None:
        return _Game(worth, None, sampling)
    lean /= 2 * _INFLUENCE_ORDERS
    return _Game(worth, Influence(-lean[1], lean[0], -lean[1]), sampling)


def _canonical(sets: _Sets) -> Codes:
    """Channels in an order that their names have no part in, so that renaming changes nothing."""
    owner = np.repeat(np.arange(len(sets.starts) - 1), np.diff(sets.starts))
    size = np.diff(sets.starts)[owner]
    tally = sets.tally
    keys = [
        added(sets.members, weight, sets.size)
        for weight in (size, tally.value[owner], tally.nulls[owner], tally.conversions[owner])
    ]
    return np.lexsort(keys)


def _arrive(sets: _Sets, tally: Tally, arrivals: Codes) -> tuple[Floats, Floats, Floats, Codes]:
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


def _floored(game: _Game, tally: Tally, own: bool = True) -> Interval:
    """Credit in proportion to what the values are above zero, with its interval."""
    above = np.maximum(game.worth, 0.0)
    share = above / above.sum()
    total = float(tally.value.sum())
    credit = share * total
    if game.influence is None:
        return no_interval(credit)
    raised = (game.worth > 0).astype(np.float64)

    def of_shares(slopes: Floats) -> Floats:
        shares: Floats = (slopes - share * (slopes @ raised)[:, None]) / above.sum()
        return shares

    fixed, per_value, null = (
        of_shares(slopes)
        for slopes in (game.influence.fixed, game.influence.per_value, game.influence.null)
    )
    # A game of counts says what a conversion does; its value only comes on top.
    influence = (
        Influence(fixed, per_value, null)
        if own
        else Influence(fixed + per_value, np.zeros((1, 1)), null)
    )
    variance = share_variance(share, total, influence, tally)
    variance += (total / above.sum()) ** 2 * game.sampling
    raw = normal_interval(game.worth / above.sum() * total, variance)
    if total < 0 or (tally.value < 0).any():
        return Interval(credit, raw.low, raw.high)
    return Interval(credit, np.maximum(raw.low, 0.0), np.maximum(raw.high, 0.0))


def _note(game: _Game, tally: Tally, channels: int) -> str:
    if not game.sampling.any():
        return ""
    scale = float(tally.value.sum()) / float(np.maximum(game.worth, 0.0).sum())
    error = scale * float(np.sqrt(game.sampling.max()))
    return (
        f"shapley_rate was sampled over {2 * _ORDERS:,} orders of {channels:,} channels; the "
        f"standard error of sampling is at most {error:.3g} conversions for a channel"
    )
