"""What the learned models learn: from counts that SQL made to a weight per channel.

The counts come apart for each of a hundred groups of people. Weights are learned of all; how they
would change without one group is the derivative of the exact solution along that group's counts
(the delete-a-group jackknife to first order), so nothing is solved a hundred times.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse

from attribution.models.chains import Chain, solutions
from attribution.models.estimate import Z
from attribution.models.games import Sets, solve
from attribution.models.orders import Codes, Floats, state_keys
from attribution.models.paths import Tally, added

GROUPS = 100
EVERYBODY = -1
_DIGITS = 12  # more would show the order in which the solver adds
_MARKOV_KEY = ["person_group", "is_won", "is_last", "channel_id"]
_MARKOV_KEY += ["before_1", "before_2", "before_3", "before_4"]


@dataclass(frozen=True, slots=True)
class Learned:
    """The weight of each channel, and the change of it without each group (rows) of people."""

    channels: Codes
    weight: Floats
    change: Floats


def markov_weights(states: pd.DataFrame) -> pd.DataFrame:
    """Removal effects by kind and channel, from `int_group_states`."""
    return _by_kind(states, _MARKOV_KEY, learn_markov)


def shapley_weights(sets: pd.DataFrame) -> pd.DataFrame:
    """Shapley values of the conversion-rate game by kind and channel, from `int_group_sets`."""
    return _by_kind(sets, ["person_group", "channel_set"], learn_shapley_rate)


def _by_kind(
    counts: pd.DataFrame, key: list[str], learn: Callable[[pd.DataFrame], Learned | None]
) -> pd.DataFrame:
    parts = []
    for kind, rows in counts.groupby("kind", sort=True):
        # The engine hands rows over in any order; sums must not show it.
        learned = learn(rows.sort_values(key, kind="stable", ignore_index=True))
        if learned is not None:
            parts.append(_rows(str(kind), learned))
    columns = ["kind", "channel_id", "person_group", "weight", "low", "high", "log_change"]
    frame = pd.concat(parts) if parts else pd.DataFrame(columns=columns)
    whole = {"kind": "str", "channel_id": "int64", "person_group": "int64"}
    return frame.astype(whole | dict.fromkeys(columns[3:], "float64"))


def _rows(kind: str, learned: Learned) -> pd.DataFrame:
    """What is told of everybody, and a row for each channel and group."""
    spread = learned.change - learned.change.mean(axis=0)
    reach = Z * np.sqrt((GROUPS - 1) / GROUPS * (spread**2).sum(axis=0))
    everybody = pd.DataFrame(
        {
            "kind": kind,
            "channel_id": learned.channels,
            "person_group": EVERYBODY,
            "weight": learned.weight.round(_DIGITS),
            "low": np.clip(learned.weight - reach, 0.0, 1.0).round(_DIGITS),
            "high": np.clip(learned.weight + reach, 0.0, 1.0).round(_DIGITS),
            "log_change": np.nan,
        }
    )
    kept = learned.weight > 0
    change = learned.change[:, kept] / learned.weight[kept]
    groups = pd.DataFrame(
        {
            "kind": kind,
            "channel_id": np.tile(learned.channels[kept], GROUPS),
            "person_group": np.repeat(np.arange(GROUPS), int(kept.sum())),
            "weight": np.nan,
            "low": np.nan,
            "high": np.nan,
            "log_change": change.ravel().round(_DIGITS),
        }
    )
    return pd.concat([everybody, groups])


def learn_markov(states: pd.DataFrame) -> Learned | None:
    """Removal effects; None where nothing converted after a touch."""
    order = int(states["markov_order"].iloc[0])
    chain, channels = chain_of(states, order)
    if not chain.converting.any():
        return None
    parts = list(solutions(chain, np.arange(-1, len(channels))))
    chance = np.concatenate([part.chance for part in parts], axis=1)
    visits = np.concatenate([part.visits for part in parts], axis=1)
    effect = np.clip(1 - chance[0, 1:] / chance[0, 0], 0.0, 1.0)
    # One journey more from state i to j changes x_0 by visits_i / out_i * (x_j - x_i).
    pace = visits / np.where(chain.out > 0, chain.out, 1.0)[:, None]

    def on_effects(slope: Floats) -> Floats:
        effects: Floats = (slope[:, :1] * (1 - effect) - slope[:, 1:]) / chance[0, 0]
        return effects

    moves = on_effects(pace[chain.origin] * (chance[chain.target] - chance[chain.origin]))
    wins, losses = on_effects(pace * (1 - chance)), on_effects(-pace * chance)
    group = states["person_group"].to_numpy(np.int64)
    journeys = states["journeys"].to_numpy(np.float64)
    last = states["is_last"].to_numpy(bool)
    won = states["is_won"].to_numpy(bool)
    change = -_by_group(group, chain.transition, journeys, len(moves)) @ moves
    for ends, slope in ((last & won, wins), (last & ~won, losses)):
        change -= _by_group(group[ends], chain.end[ends], journeys[ends], chain.states) @ slope
    return Learned(channels, effect, change)


def chain_of(states: pd.DataFrame, order: int) -> tuple[Chain, Codes]:
    """The chain of all groups together, and the channel that each of its numbers stands for.

    `transition` and `end` of the chain are those of each row of `states`.
    """
    origin_key, target_key = state_keys(states, order)
    keys, numbered = np.unique(np.concatenate([[0], origin_key, target_key]), return_inverse=True)
    origin, target = np.split(numbered[1:].astype(np.int64), 2)
    channels, channel = np.unique(states["channel_id"].to_numpy(np.int64), return_inverse=True)
    size = len(keys)
    last_channel = np.full(size, -1, dtype=np.int64)
    last_channel[target] = channel
    moves, transition = np.unique(origin * size + target, return_inverse=True)
    journeys = states["journeys"].to_numpy(np.float64)
    ends = np.where(states["is_last"].to_numpy(bool), journeys, 0.0)
    wins = np.where(states["is_won"].to_numpy(bool), ends, 0.0)
    out = added(origin, journeys, size) + added(target, ends, size)
    chain = Chain(
        order=order,
        last_channel=last_channel,
        origin=moves // size,
        target=moves % size,
        count=added(transition, journeys, len(moves)),
        out=out,
        converting=added(target, wins, size) / np.where(out > 0, out, 1.0),
        earning=np.zeros(size),
        transition=transition.astype(np.int64),
        end=target,
    )
    return chain, channels


def _by_group(group: Codes, what: Codes, amount: Floats, size: int) -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array((amount, (group, what)), shape=(GROUPS, size))


def learn_shapley_rate(sets: pd.DataFrame) -> Learned | None:
    """Shapley values above nought, the largest of them 1; None where nobody converted."""
    masks, number = np.unique(sets["channel_set"].to_numpy(np.int64), return_inverse=True)
    won, lost = (sets[name].to_numpy(np.float64) for name in ("won", "lost"))
    if not won.any():
        return None
    bits = (masks[:, None] >> np.arange(62)) & 1
    bit = np.flatnonzero(bits.any(axis=0))
    _, members = np.nonzero(bits[:, bit])
    starts = np.concatenate([[0], np.cumsum(bits.sum(axis=1))])
    conversions, nulls = (added(number, amount, len(masks)) for amount in (won, lost))
    tally = Tally(conversions, nulls, conversions, conversions)
    game = solve(Sets(members, starts, len(bit), tally), tally, intervals=True)
    largest = float(game.worth.max())
    if largest <= 0:
        return None
    weight = np.maximum(game.worth, 0.0) / largest
    if game.influence is None:  # too many sets: the weights stand, how sure they are is not known
        return Learned(bit + 1, weight, np.zeros((GROUPS, len(bit))))
    group = sets["person_group"].to_numpy(np.int64)
    gains = game.influence.fixed + game.influence.per_value
    change = -_by_group(group, number, won, len(masks)) @ gains
    change -= _by_group(group, number, lost, len(masks)) @ game.influence.null
    return Learned(bit + 1, weight, change / largest)
