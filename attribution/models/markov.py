"""Markov removal effects, solved exactly, with intervals (Anderl et al. 2016).

The removal effect of a channel is the share of conversions that the chain loses when every journey
that would touch the channel ends there. Credit is shared in proportion to removal effects. Value
is shared by the value that is lost instead, unless refunds make a path's value negative: then it
is shared as the conversions are.
"""

from collections.abc import Sequence

import numpy as np
import scipy.sparse

from attribution.models.chains import Chain, Solution, build, history, solutions
from attribution.models.estimate import (
    Estimate,
    Influence,
    as_counts,
    no_interval,
    score_interval,
    share_variance,
    value_interval,
)
from attribution.models.paths import Codes, Floats, Paths, added, compress

ORDERS = (1, 2, 3, 4)
_INFLUENCE_CELLS = 3e9
_CHAIN_CELLS = 40_000_000
_CHUNK_CELLS = 2_000_000
_PRIOR = 0.5  # journeys of each outcome that a state is taken to have seen (Krichevsky-Trofimov)


def markov(paths: Paths, order: int, *, intervals: bool = True, method: str = "auto") -> Estimate:
    """Credit by the removal effects of a chain of the given order."""
    chain = build(paths, order)
    fits = intervals and chain.cells <= _CHAIN_CELLS and paths.touch_cells <= _INFLUENCE_CELLS
    starts, parts = [], []
    for part in solutions(chain, np.arange(-1, len(paths.channels)), method, whole=fits):
        starts.append((part.chance[0].copy(), part.worth[0].copy()))
        parts += [part] if fits else []
    chance, worth = (np.concatenate(column) for column in zip(*starts, strict=True))
    tally = paths.tally
    # Value of paths that nobody took, as the counts have it, reaches no state of the chain.
    by_value = bool((tally.value >= 0).all() and worth[0] > 0)
    effect = _effect(chance)
    share = effect / effect.sum()
    value_share = _effect(worth) / _effect(worth).sum() if by_value else share
    credit, value = share * tally.conversions.sum(), value_share * tally.value.sum()
    if not parts:
        note = f"markov of order {order} has no intervals: there are too many channels for them"
        return Estimate(
            no_interval(credit),
            no_interval(value) if paths.has_value else None,
            effect,
            note if intervals else "",
        )
    spread, value_spread = _variances(paths, chain, parts, by_value)
    return Estimate(
        score_interval(credit, spread, 1.0),
        value_interval(value, value_spread, tally) if paths.has_value else None,
        effect,
    )


def _effect(at_start: Floats) -> Floats:
    effect: Floats = 1 - at_start[1:] / at_start[0]
    return effect


def _variances(
    paths: Paths, chain: Chain, parts: Sequence[Solution], by_value: bool
) -> tuple[Floats, Floats]:
    """What a journey more of each path does to the shares, squared and added up."""
    tally, counts = paths.tally, as_counts(paths.tally)
    leaning = _Leaning(chain, parts, value=False)
    value_leaning = _Leaning(chain, parts, value=True) if by_value else leaning
    spread, value_spread = np.zeros(len(paths.channels)), np.zeros(len(paths.channels))
    converted, earned = float(counts.value.sum()), float(tally.value.sum())
    for rows, steps in _chunks(paths, chain):
        influence = leaning.influence(steps, chain.end[rows])
        spread += share_variance(leaning.share, converted, influence, counts.take(rows))
        if paths.has_value:
            if by_value:
                influence = value_leaning.influence(steps, chain.end[rows])
            value_spread += share_variance(value_leaning.share, earned, influence, tally.take(rows))
    return spread, value_spread


def _chunks(paths: Paths, chain: Chain) -> list[tuple[Codes, scipy.sparse.csr_array]]:
    """Paths in chunks: their rows, and how often each took each transition."""
    size = max(1, _CHUNK_CELLS // max(1, len(paths.channels)))
    found = []
    for since in range(0, len(paths.lengths), size):
        rows = np.arange(since, min(since + size, len(paths.lengths)))
        first, last = paths.starts[rows[0]], paths.starts[rows[-1] + 1]
        steps = scipy.sparse.csr_array(
            (
                np.ones(last - first),
                chain.transition[first:last],
                paths.starts[since : rows[-1] + 2] - first,
            ),
            shape=(len(rows), len(chain.origin)),
        )
        found.append((rows, steps))
    return found


class _Leaning:
    """How the shares lean on each transition of the chain: the derivative, by the adjoint.

    One journey more from state i to j changes x_0 by visits_i / out_i * (x_j - x_i).
    """

    def __init__(self, chain: Chain, parts: Sequence[Solution], *, value: bool) -> None:
        self._value = value
        reached = np.concatenate([p.worth if value else p.chance for p in parts], axis=1)
        visits = np.concatenate([p.visits for p in parts], axis=1)
        effect = _effect(reached[0])
        self._scale = effect.sum()
        self.share = effect / self._scale
        pace = visits / np.where(chain.out > 0, chain.out, 1.0)[:, None]
        moves = pace[chain.origin] * (reached[chain.target] - reached[chain.origin])
        # The effect is 1 - x_0(removed) / x_0, and the share is the effect over all effects.
        self._moves, self._ends, self._pays = (
            self._of_shares((slope[:, :1] * (1 - effect) - slope[:, 1:]) / reached[0, 0])
            for slope in (moves, -pace * reached, pace)
        )

    def _of_shares(self, effects: Floats) -> Floats:
        total = effects.sum(axis=1, keepdims=True)
        shares: Floats = (effects - self.share * total) / self._scale
        return shares

    def influence(self, steps: scipy.sparse.csr_array, end: Codes) -> Influence:
        """What a journey more of each path does to the shares."""
        null = steps @ self._moves
        null += self._ends[end]
        pays = self._pays[end]
        if self._value:
            return Influence(null, pays, null)
        return Influence(null + pays, np.zeros((1, 1)), null)


def choose_order(paths: Paths) -> int:
    """The order that best foretells each journey from all the others.

    Leaving out one journey takes its own steps from the counts, so the likelihood is held out and
    yet has a closed form: no folds are drawn.
    """
    scores = [held_out_likelihood(paths, order) for order in ORDERS]
    return ORDERS[int(np.argmax(scores))]


def held_out_likelihood(paths: Paths, order: int) -> float:
    """The mean log likelihood of a journey under the chain of all others."""
    state, previous = history(paths, order)
    outcomes = len(paths.channels) + 1 + bool(paths.has_nulls)
    tally = paths.tally
    journeys = tally.conversions + tally.nulls
    size = int(state.max()) + 1
    end = state[paths.starts[1:] - 1]
    rows = np.arange(len(journeys))
    left = np.concatenate([previous, end])
    who = np.concatenate([paths.owners, rows])
    out = added(left, journeys[who], size)
    own, pair = _own_count(who, left, size)
    room = out[left] - own[pair] + _PRIOR * outcomes
    base = len(paths.channels)
    number, found = compress(previous * base + paths.codes, size * base)
    moved = added(number, journeys[paths.owners], len(found))
    mine, twin = _own_count(paths.owners, number, len(found))
    seen = np.maximum(moved[number] - mine[twin], 0.0) + _PRIOR
    steps = np.log(seen) - np.log(np.maximum(room[: len(seen)], _PRIOR * outcomes))
    total = float((steps * journeys[paths.owners]).sum())
    last = np.log(np.maximum(room[len(seen) :], _PRIOR * outcomes))
    for amounts in (tally.conversions, tally.nulls):
        ended = added(end, amounts, size)[end]
        total += float((amounts * (np.log(np.maximum(ended - 1, 0.0) + _PRIOR) - last)).sum())
    return total / max(float(journeys.sum()), 1.0)


def _own_count(who: Codes, what: Codes, size: int) -> tuple[Floats, Codes]:
    """How often a path did each thing, and where to find it for each time."""
    pair, _ = compress(who * size + what, (int(who.max()) + 1) * size)
    return np.bincount(pair).astype(np.float64), pair
