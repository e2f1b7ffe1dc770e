"""Persuading: what a message adds to a silent person's chance of a kept visit, where it was tested.

Campaigns with a holdout give a difference of kept rates for each channel and range of silence.
Small groups differ by chance, so each is drawn towards what its channel and its silence show
elsewhere: a linear model of the differences with random effects (Lindley and Smith 1972), with the
spreads that are most probable given the differences.
"""

from itertools import product

import numpy as np
import pandas as pd

from attribution.models.paths import Floats

CELL = ["channel", "months_silent"]
_COUNTS = ["treated", "treated_kept", "held_out", "held_out_kept"]
_SPREADS = (0.0, 0.003, 0.006, 0.0125, 0.025, 0.05, 0.1)
_TYPICAL = 0.03  # lifts of groups seldom differ by more than some points: a prior of the spreads
_WIDE = 1.0  # of the mean, of which nothing is known beforehand
_Z = 1.959963984540054


def return_lift(campaigns: pd.DataFrame) -> pd.DataFrame:
    """Per channel and months of silence: the lift with its 95% interval, and what it rests on.

    `campaigns` has a row for each channel, campaign and range of silence with the columns treated,
    treated_kept, held_out, held_out_kept. Campaigns hold out different shares, so each is compared
    with its own holdout, and the comparisons are weighed by how sure they are.
    """
    tested = campaigns[(campaigns["treated"] > 0) & (campaigns["held_out"] > 0)]
    if tested.empty:
        empty = pd.DataFrame(columns=[*CELL, *_COUNTS, "lift", "low", "high"])
        return empty.astype(dict.fromkeys(_COUNTS, "int64") | dict.fromkeys(CELL, "str")).astype(
            dict.fromkeys(("lift", "low", "high"), "float64")
        )
    difference, variance = _compared(tested)
    frame = (
        tested.assign(weight=1 / variance, weighed=difference / variance)
        .groupby(CELL, as_index=False)[[*_COUNTS, "weight", "weighed"]]
        .sum()
        .sort_values(CELL, ignore_index=True)
    )
    seen = (frame["weighed"] / frame["weight"]).to_numpy(np.float64)
    lift, error = _drawn_together(frame, seen, 1 / frame["weight"].to_numpy(np.float64))
    frame["lift"] = np.round(lift, 6)
    frame["low"] = np.round(lift - _Z * error, 6)
    frame["high"] = np.round(lift + _Z * error, 6)
    return frame.drop(columns=["weight", "weighed"])


def _compared(tested: pd.DataFrame) -> tuple[Floats, Floats]:
    """The difference of kept rates and its variance; a person is added on each side.

    So (Agresti and Caffo 2000) a group in which nobody came is not thought to be sure of it.
    """
    people = tested["treated"].to_numpy(np.float64), tested["held_out"].to_numpy(np.float64)
    kept = tested["treated_kept"].to_numpy(np.float64), tested["held_out_kept"].to_numpy(np.float64)
    variance = np.zeros(len(tested))
    for every, some in zip(people, kept, strict=True):
        share = (some + 1) / (every + 2)
        variance = variance + share * (1 - share) / (every + 2)
    return kept[0] / people[0] - kept[1] / people[1], variance


def _drawn_together(cells: pd.DataFrame, seen: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """The mean and deviation of each cell's lift, given all that was seen."""
    size = len(cells)
    same = {
        name: np.equal.outer(values := cells[name].to_numpy(), values).astype(np.float64)
        for name in CELL
    }
    best, prior_of_best = -np.inf, np.zeros((size, size))
    for spreads in product(_SPREADS, repeat=3):
        prior = np.full((size, size), _WIDE**2) + spreads[2] ** 2 * np.eye(size)
        for spread, name in zip(spreads, CELL, strict=False):
            prior = prior + spread**2 * same[name]
        likely = _log_likelihood(seen, prior + np.diag(variance))
        likely -= sum((spread / _TYPICAL) ** 2 for spread in spreads) / 2
        if likely > best + 1e-9:
            best, prior_of_best = likely, prior
    prior = prior_of_best
    gain = np.linalg.solve(prior + np.diag(variance), prior).T
    lift: Floats = gain @ seen
    left = np.diag(prior - gain @ prior)
    error: Floats = np.sqrt(np.maximum(left, 0.0))
    return lift, error


def _log_likelihood(seen: Floats, covariance: Floats) -> float:
    _sign, size = np.linalg.slogdet(covariance)
    return float(-(size + seen @ np.linalg.solve(covariance, seen)) / 2)
