"""Shapley values of channels: three games (Shapley 1953; Zhao et al. 2018).

shapley_sum      a coalition is worth the conversions of journeys that touched nothing else
shapley_ordered  the same game, told apart by the position at which a channel was touched
shapley_rate     a coalition is worth the share of such journeys that converted

The value of the first game has a closed form, the equal split over a journey's distinct channels,
and the positions of the second add up to it. The third is solved over all coalitions up to 20
channels, and by sampled orders of arrival beyond.
"""

import numpy as np
import pandas as pd

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
from attribution.models.games import ORDERS, Game, distinct_sets, solve
from attribution.models.paths import Floats, Paths, Tally, compress


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
    sets = distinct_sets(paths)
    tally, counts = sets.tally, as_counts(sets.tally)
    won = solve(sets, counts, intervals=intervals)
    conversions = _floored(won, counts)
    if not paths.has_value:
        return Estimate(conversions, None, None, _note(won, counts, len(paths.channels)))
    by_value = bool((tally.value >= 0).all() and tally.value.any())
    value = _floored(solve(sets, tally, intervals=intervals) if by_value else won, tally, by_value)
    return Estimate(conversions, value, None, _note(won, counts, len(paths.channels)))


def _floored(game: Game, tally: Tally, own: bool = True) -> Interval:
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


def _note(game: Game, tally: Tally, channels: int) -> str:
    if not game.sampling.any():
        return ""
    scale = float(tally.value.sum()) / float(np.maximum(game.worth, 0.0).sum())
    error = scale * float(np.sqrt(game.sampling.max()))
    return (
        f"shapley_rate was sampled over {2 * ORDERS:,} orders of {channels:,} channels; the "
        f"standard error of sampling is at most {error:.3g} conversions for a channel"
    )
