"""Markov chains of journeys, and their exact solution with each channel removed.

A state is the last `order` channels of a journey (fewer at its start); state 0 is the start. The
chain leaves a state for the next touch, for the conversion, or for nothing. Removing a channel
sends every journey that would touch it to nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg

from attribution.errors import BadInput
from attribution.models.paths import Codes, Floats, Paths, added, compress

_DENSE_STATES = 6_000
_SWEEPS = 600
_JUMP_EVERY = 6
_MULTIPLY_ADDS = 2e12  # about an hour of one core
_BLOCK_CELLS = 2_000_000
# Seconds on one core for a multiply-add of a dense product, and of a sparse one; and how many
# sweeps three solutions take in all.
_DENSE_COST, _SPARSE_COST, _USUAL_SWEEPS = 1e-10, 1.5e-9, 120


@dataclass(frozen=True)
class Chain:
    """Transitions between states, counted over all journeys."""

    order: int
    last_channel: Codes  # of each state; -1 for the start
    origin: Codes  # of each transition between states
    target: Codes
    count: Floats
    out: Floats  # journeys' departures from each state, conversions and ends included
    converting: Floats  # of each state: the share of departures that convert
    earning: Floats  # and the value that a departure brings
    transition: Codes  # of each touch: the transition that led to it
    end: Codes  # of each path: its last state

    @property
    def states(self) -> int:
        """How many states there are, the start included."""
        return len(self.out)

    @property
    def cells(self) -> int:
        """How large a matrix of one number for each part of the chain and each channel is."""
        return (len(self.origin) + 3 * self.states) * (int(self.last_channel.max()) + 1)


def build(paths: Paths, order: int) -> Chain:
    """Count the transitions of an order."""
    state, previous = history(paths, order)
    channels = len(paths.channels)
    size = int(state.max()) + 1
    transition, keys = compress(previous * (channels + 1) + paths.codes, size * (channels + 1))
    target = np.empty(len(keys), dtype=np.int64)
    target[transition] = state
    last_channel = np.full(size, -1, dtype=np.int64)
    last_channel[state] = paths.codes
    journeys = paths.tally.conversions + paths.tally.nulls
    weight = journeys[paths.owners]
    out = added(previous, weight, size)
    end = state[paths.starts[1:] - 1]
    out += added(end, journeys, size)
    safe = np.where(out > 0, out, 1.0)
    return Chain(
        order,
        last_channel,
        keys // (channels + 1),
        target,
        added(transition, weight, len(keys)),
        out,
        added(end, paths.tally.conversions, size) / safe,
        added(end, paths.tally.value, size) / safe,
        transition,
        end,
    )


def history(paths: Paths, order: int) -> tuple[Codes, Codes]:
    """The state of each touch and the one before it (0 where the touch is a journey's first)."""
    base = len(paths.channels) + 1
    state = paths.codes + 1
    for _ in range(order - 1):
        before = _before(state, paths)
        number, _found = compress(before * base + paths.codes + 1, (int(state.max()) + 1) * base)
        state = number + 1
    return state, _before(state, paths)


def _before(state: Codes, paths: Paths) -> Codes:
    previous = np.empty_like(state)
    previous[1:] = state[:-1]
    previous[paths.starts[:-1]] = 0
    return previous


@dataclass(frozen=True)
class Solution:
    """The chain with channels removed, a column each; removing -1 removes nothing."""

    removed: Codes
    visits: Floats  # expected visits to each state (rows)
    chance: Floats  # of a conversion from each state
    worth: Floats  # expected value from each state


def solutions(
    chain: Chain, removed: Codes, method: str = "auto", *, whole: bool = True
) -> Iterator[Solution]:
    """Solve for the removed channels, in blocks that fit in memory.

    Where not `whole`, chance and worth may be those at the start alone: a third of the work.
    """
    method = _method(chain, len(removed)) if method == "auto" else method
    width = max(1, _BLOCK_CELLS // chain.states)
    inverse = _inverse(chain) if method == "closed" else np.zeros((0, 0))
    for since in range(0, len(removed), width):
        block = removed[since : since + width]
        if method == "closed":
            yield _closed_form(chain, inverse, block)
        else:
            yield _sweeps(chain, block, whole) if method == "sweeps" else _factored(chain, block)


def _method(chain: Chain, columns: int) -> str:
    sweeps = float(len(chain.origin)) * columns * _USUAL_SWEEPS
    if sweeps > _MULTIPLY_ADDS:
        raise BadInput(
            f"Markov of order {chain.order} has {chain.states:,} states for {columns:,} channels, "
            "which is more than can be solved; ask for a lower order or group rare channels."
        )
    dense = 2.5 * float(chain.states) ** 3 * _DENSE_COST
    if chain.states <= _DENSE_STATES and dense < max(sweeps * _SPARSE_COST, 0.05):
        return "closed"
    return "sweeps"


def _probabilities(chain: Chain) -> scipy.sparse.csr_array:
    out = chain.out[chain.origin]
    share = chain.count / np.where(out > 0, out, 1.0)
    shape = (chain.states, chain.states)
    return scipy.sparse.csr_array((share, (chain.origin, chain.target)), shape=shape)


def _inverse(chain: Chain) -> Floats:
    system = np.eye(chain.states) - _probabilities(chain).toarray()
    inverse: Floats = scipy.linalg.inv(system, overwrite_a=True)
    return inverse


def _closed_form(chain: Chain, visits_from: Floats, removed: Codes) -> Solution:
    """From one inverse: what passes through the removed states is taken away.

    At order 1 that is RE_c = (p0 N)_c / N_cc * x_c / (p0 x).
    """
    visits = visits_from[0]
    chance, worth = visits_from @ chain.converting, visits_from @ chain.earning
    solved = [np.repeat(v[:, None], len(removed), axis=1) for v in (visits, chance, worth)]
    for column, channel in enumerate(removed):
        if channel < 0:
            continue
        gone = np.flatnonzero(chain.last_channel == channel)
        inner = scipy.linalg.lu_factor(visits_from[np.ix_(gone, gone)])
        solved[0][:, column] -= scipy.linalg.lu_solve(inner, visits[gone], 1) @ visits_from[gone]
        passing = visits_from[:, gone]
        for index, whole in ((1, chance), (2, worth)):
            solved[index][:, column] -= passing @ scipy.linalg.lu_solve(inner, whole[gone])
        for values in solved:
            values[gone, column] = 0.0
    return Solution(removed, *solved)


def _sweeps(chain: Chain, removed: Codes, whole: bool = True) -> Solution:
    """Masked sweeps X <- M * (QX + R), a column for each removed channel."""
    share = _probabilities(chain)
    kept = (chain.last_channel[:, None] != removed[None, :]) | (removed < 0)[None, :]
    start = np.zeros(chain.states)
    start[0] = 1.0
    scale = float(np.abs(chain.earning).max()) or 1.0
    forward = share.T.tocsr()
    visits = _settle(forward, start, kept, 1e-15)
    if visits is not None and not whole:
        gained = (values[None, :] @ visits for values in (chain.converting, chain.earning))
        return Solution(removed, visits, *gained)
    # An error in the last sweep grows by as much as a journey is long.
    tolerance = 1e-15 if visits is None else max(1e-14 / float(visits.sum(axis=0).max()), 3e-16)
    chance = None if visits is None else _settle(share, chain.converting, kept, tolerance)
    worth = None if chance is None else _settle(share, chain.earning / scale, kept, tolerance)
    if visits is None or chance is None or worth is None:
        return _factored(chain, removed)
    return Solution(removed, visits, chance, worth * scale)


def _settle(
    share: scipy.sparse.csr_array, source: Floats, kept: Floats, tolerance: float
) -> Floats | None:
    mask = np.ascontiguousarray(kept, dtype=np.float64)
    constant = mask * source[:, None]
    if not constant.any():
        return constant
    values, older = constant, [constant]
    for sweep in range(1, _SWEEPS + 1):
        values = share @ older[-1]
        values *= mask
        values += constant
        moved = float(np.abs(values - older[-1]).max())
        if moved <= tolerance * max(1.0, float(np.abs(values).max())):
            return values
        older = [*older[-4:], values]
        if sweep % _JUMP_EVERY == 0:
            older = [_jump(older)]
    return None


def _jump(older: list[Floats]) -> Floats:
    """Where the sweeps are heading, if what changes keeps shrinking at the same pace.

    The pace is taken over two sweeps, so a chain that swings to and fro is no exception.
    """
    change, before = older[-1] - older[-3], older[-3] - older[-5]
    size = np.einsum("sc,sc->c", before, before)
    pace = np.einsum("sc,sc->c", change, before) / np.where(size > 0, size, 1.0)
    pace = np.where((pace > 0) & (pace < 1 - 1e-9), pace, 0.0)
    landed: Floats = older[-1] + change * (pace / (1 - pace))
    return landed


def _factored(chain: Chain, removed: Codes) -> Solution:
    """One sparse factorisation for each removed channel: slow, but sure."""
    share = _probabilities(chain)
    start = np.zeros(chain.states)
    start[0] = 1.0
    solved = [np.empty((chain.states, len(removed))) for _ in range(3)]
    for column, channel in enumerate(removed):
        kept = (chain.last_channel != channel) | (channel < 0)
        keep = scipy.sparse.diags_array(kept.astype(np.float64))
        system = scipy.sparse.csc_array(scipy.sparse.eye_array(chain.states) - keep @ share @ keep)
        factors: Any = scipy.sparse.linalg.splu(system)
        solved[0][:, column] = factors.solve(start * kept, trans="T")
        solved[1][:, column] = factors.solve(chain.converting * kept)
        solved[2][:, column] = factors.solve(chain.earning * kept)
    return Solution(removed, *solved)
