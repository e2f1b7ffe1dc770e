"""The learned models by their definitions, slowly: what the engine must equal."""

import itertools
import math

import numpy as np

START = ()


def removal_effects(journeys, order, by_value=False):
    """Removal effects from a dense absorbing chain that is built anew for each channel.

    `journeys` are (channels, conversions, value, nulls). A state is the tuple of the last
    channels; a removed channel's journeys end where they would touch it.
    """
    channels = sorted({channel for path, *_ in journeys for channel in path})
    whole = _worth(journeys, order, None, by_value)
    return {c: 1 - _worth(journeys, order, c, by_value) / whole for c in channels}


def _worth(journeys, order, removed, by_value):
    moves, out, gain = {}, {}, {}
    for path, conversions, value, nulls in journeys:
        states = [START] + [tuple(path[max(0, i - order + 1) : i + 1]) for i in range(len(path))]
        for before, after in itertools.pairwise(states):
            moves[before, after] = moves.get((before, after), 0) + conversions + nulls
        for state in states:
            out[state] = out.get(state, 0) + conversions + nulls
        gain[states[-1]] = gain.get(states[-1], 0) + (value if by_value else conversions)
    names = [s for s in out if out[s] > 0]
    index = {state: number for number, state in enumerate(names)}
    share, last = np.zeros((len(names), len(names))), np.zeros(len(names))
    for (before, after), count in moves.items():
        if count and not (after and after[-1] == removed):
            share[index[before], index[after]] = count / out[before]
    for state, amount in gain.items():
        if state in index:
            last[index[state]] = amount / out[state]
    return np.linalg.solve(np.eye(len(names)) - share, last)[index[START]]


def shapley_by_orders(channels, worth):
    """Shapley values: marginal contributions over all orders of arrival."""
    total = dict.fromkeys(channels, 0.0)
    for order in itertools.permutations(channels):
        for position, channel in enumerate(order):
            before = frozenset(order[:position])
            total[channel] += worth(before | {channel}) - worth(before)
    return {c: amount / math.factorial(len(channels)) for c, amount in total.items()}


def sum_game(journeys):
    """A coalition is worth the conversions of journeys that touched nothing else."""
    return lambda coalition: sum(c for path, c, _, _ in journeys if set(path) <= coalition)


def rate_game(journeys, by_value=False):
    """A coalition is worth what a journey that touched nothing else brought on average."""

    def worth(coalition):
        inside = [row for row in journeys if set(row[0]) <= coalition]
        count = sum(conversions + nulls for _, conversions, _, nulls in inside)
        return sum(row[2 if by_value else 1] for row in inside) / count if count else 0.0

    return worth


def floored(values, total):
    """Credit in proportion to what the values are above zero."""
    above = {name: max(amount, 0.0) for name, amount in values.items()}
    return {name: total * amount / sum(above.values()) for name, amount in above.items()}
