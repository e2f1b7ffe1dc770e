"""Logistic regression on the channels of journeys, with a ridge prior, by Newton's method.

Journeys that touched the same channels alike are one row, so a million journeys are some ten
thousand rows. Every step is exact linear algebra: the same counts always give the same answer.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
from scipy.special import expit

from attribution.models.paths import Codes, Floats

PRIOR_SPREAD = 2.5  # of a channel's effect on the log odds: weak, but it keeps every effect finite
_STEPS = 100
_SETTLED = 1e-10
_DIRECT_COLUMNS = 800  # beyond, a Newton step is found by conjugate gradients


@dataclass(frozen=True)
class Fit:
    """The log odds of a conversion: one effect for each channel, and the intercept last."""

    effects: Floats
    chance: Floats  # of a conversion, of each set
    design: scipy.sparse.csr_array  # a row for each set; the last column is 1
    information: scipy.sparse.csc_array
    log_posterior: float

    @property
    def channels(self) -> int:
        """How many channels have an effect."""
        return len(self.effects) - 1

    def covariance(self) -> Floats:
        """Of the effects and the intercept."""
        factor = scipy.linalg.cho_factor(self.information.toarray(), overwrite_a=True)
        inverse: Floats = scipy.linalg.cho_solve(
            factor, np.eye(len(self.effects)), overwrite_b=True
        )
        return inverse

    def rough_variances(self) -> Floats:
        """Of the effects, as if they had nothing to do with each other."""
        variances: Floats = 1 / self.information.diagonal()[:-1]
        return variances


def design_of(
    members: Codes, amounts: Floats, starts: Codes, channels: int
) -> scipy.sparse.csr_array:
    """A row for each set of channels: the amount of each member, and 1 for the intercept."""
    ends = np.cumsum(np.diff(starts) + 1)
    columns = np.full(int(ends[-1]), channels, dtype=np.int64)
    cells = np.ones(len(columns))
    inside = np.ones(len(columns), dtype=bool)
    inside[ends - 1] = False
    columns[inside] = members
    cells[inside] = amounts
    pointers = np.concatenate([[0], ends])
    return scipy.sparse.csr_array((cells, columns, pointers), shape=(len(ends), channels + 1))


def fit(
    design: scipy.sparse.csr_array,
    conversions: Floats,
    nulls: Floats,
    spread: Floats | float = PRIOR_SPREAD,
) -> Fit:
    """The most probable effects, given how many journeys of each set converted.

    `spread` is how large effects are thought to be beforehand: one for all, or one for each column.
    """
    journeys = conversions + nulls
    precision = np.full(design.shape[1], 1.0) / np.square(spread)
    precision[-1] = 0.0  # how many convert without any channel is not known beforehand
    effects = np.zeros(design.shape[1])
    effects[-1] = _log_odds(float(conversions.sum()), float(nulls.sum()))
    best = _log_posterior(design, conversions, journeys, precision, effects)
    for _ in range(_STEPS):
        won, lost = _chances(design, effects)
        slope = design.T @ (conversions * lost - nulls * won) - precision * effects
        step = _solve(_information(design, journeys * won * lost, precision), slope)
        while True:
            found = _log_posterior(design, conversions, journeys, precision, effects + step)
            if found >= best - 1e-9 * abs(best) or np.abs(step).max() < _SETTLED:
                break
            step = step / 2
        effects, best = effects + step, found
        if np.abs(step).max() < _SETTLED:
            break
    won, lost = _chances(design, effects)
    information = _information(design, journeys * won * lost, precision)
    return Fit(effects, won, design, information, best)


def _chances(design: scipy.sparse.csr_array, effects: Floats) -> tuple[Floats, Floats]:
    """Of a conversion and of none, each by itself: one less a chance of nearly one is nothing."""
    odds = design @ effects
    return expit(odds), expit(-odds)


def _log_odds(won: float, lost: float) -> float:
    return float(np.log(max(won, 0.5) / max(lost, 0.5)))


def _log_posterior(
    design: scipy.sparse.csr_array,
    conversions: Floats,
    journeys: Floats,
    precision: Floats,
    effects: Floats,
) -> float:
    odds = design @ effects
    likelihood = float(conversions @ odds - journeys @ np.logaddexp(0.0, odds))
    return likelihood - float(precision @ effects**2) / 2


def _information(
    design: scipy.sparse.csr_array, weight: Floats, precision: Floats
) -> scipy.sparse.csc_array:
    weighted = design.copy()
    weighted.data = design.data * np.repeat(weight, np.diff(design.indptr))
    return scipy.sparse.csc_array(design.T @ weighted + scipy.sparse.diags_array(precision))


def _solve(information: scipy.sparse.csc_array, slope: Floats) -> Floats:
    if len(slope) <= _DIRECT_COLUMNS:
        dense = information.toarray()
        # Of huge counts the prior, which alone tells some effects apart, is lost in rounding.
        dense[np.diag_indices_from(dense)] *= 1 + 1e-11
        solved: Floats = scipy.linalg.solve(dense, slope, assume_a="pos")
        return solved
    diagonal = information.diagonal()
    scaled = scipy.sparse.linalg.LinearOperator(
        information.shape, matvec=lambda vector: vector / diagonal, dtype=np.float64
    )
    found, _unsettled = scipy.sparse.linalg.cg(
        information, slope, rtol=1e-12, maxiter=2_000, M=scaled
    )
    direction: Floats = found
    return direction


def hidden_spread(group: Codes, conversions: Floats, nulls: Floats, chance: Floats) -> float:
    """By how much log odds differ between the paths of one set, beyond what chance does.

    Over all pairs of journeys of one path, how far both lie from what the fit expects, in the same
    direction. Where channels alone decide, that is nil; then so is the answer, unless the
    difference is clearly (three deviations) more than chance.
    """
    journeys, expected = conversions + nulls, chance[group]
    variance = expected * (1 - expected)
    alone = conversions * (1 - expected) ** 2 + nulls * expected**2
    pairs = (conversions - journeys * expected) ** 2 - alone
    several = journeys > 1
    size = journeys * (journeys - 1) * variance**2
    excess, scale = float(pairs[several].sum()), float(size[several].sum())
    if excess <= 3 * np.sqrt(2 * scale):
        return 0.0
    return float(np.sqrt(excess / scale))
