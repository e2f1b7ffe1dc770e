"""How far back a Markov chain of journeys should remember: the order that foretells best.

A chain of each order foretells every move of every journey from all the other moves: leaving one
out takes 1 from its own counts, so the likelihood is held out and yet has a closed form. All
orders foretell the same moves, so their likelihoods compare.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ORDERS = (1, 2, 3, 4)
BEFORE = ("before_1", "before_2", "before_3", "before_4")
# A chain of more moves than this is not learned for each group of people.
MOST_MOVES = 20_000
_PRIOR = 0.5  # of each outcome of a state, in journeys (Krichevsky and Trofimov 1981)

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


def markov_orders(states: pd.DataFrame) -> pd.DataFrame:
    """Columns kind, markov_order, from `int_states` with `set_order` (nought: choose)."""
    rows = [
        (kind, int(moves["set_order"].iloc[0]) or best_order(moves))
        for kind, moves in states.groupby("kind", sort=True)
    ]
    frame = pd.DataFrame(rows, columns=["kind", "markov_order"])
    return frame.astype({"kind": "str", "markov_order": "int64"})


def best_order(states: pd.DataFrame) -> int:
    """The order of the highest held-out likelihood; the lowest of equals."""
    scores = {}
    for order in ORDERS:
        score, moves = held_out_likelihood(states, order)
        if order == 1 or moves <= MOST_MOVES:
            scores[order] = score
    return max(scores, key=lambda order: (scores[order], -order))


def held_out_likelihood(states: pd.DataFrame, order: int) -> tuple[float, int]:
    """The log likelihood of all moves, each foretold from the others; and how many differ."""
    origin, target = state_keys(states, order)
    journeys = states["journeys"].to_numpy(np.float64)
    base = key_base(states)
    outcomes = len(np.unique(states["channel_id"])) + 2
    last = states["is_last"].to_numpy(bool)
    won = states["is_won"].to_numpy(bool)
    # What follows: a channel by its number, the conversion, or nothing.
    left = np.concatenate([origin, target[last]])
    channel = states["channel_id"].to_numpy(np.int64)
    right = np.concatenate([channel, np.where(won[last], base, base + 1)])
    counts = np.concatenate([journeys, journeys[last]])
    _, state = np.unique(left, return_inverse=True)
    _, move = np.unique(state * np.int64(base + 2) + right, return_inverse=True)
    out = np.bincount(state, weights=counts)[state]
    seen = np.bincount(move, weights=counts)[move]
    others = np.maximum(seen - 1, 0.0) + _PRIOR
    chances = np.log(others) - np.log(np.maximum(out - 1, 0.0) + _PRIOR * outcomes)
    # In an order of its own, so that the rows' order does not show in the last digit.
    return float(np.sort(counts * chances).sum()), int(move.max()) + 1


def key_base(states: pd.DataFrame) -> int:
    """A number above every channel's."""
    return int(states["channel_id"].max()) + 1


def state_keys(states: pd.DataFrame, order: int) -> tuple[Codes, Codes]:
    """The state before each touch and the one that it makes; the start is 0."""
    base = key_base(states)
    columns = [states[name].to_numpy(np.int64) for name in ("channel_id", *BEFORE)]
    origin, target = np.zeros((2, len(states)), dtype=np.int64)
    for back in range(order):
        target += columns[back] * base**back
        origin += columns[back + 1] * base**back
    return origin, target
