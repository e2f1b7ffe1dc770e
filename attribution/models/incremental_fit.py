"""The fit of the incremental model: a Poisson panel with coefficients that cannot be negative.

    conversions ~ Poisson(exp(cell + course) * (1 + sum of coefficient * intensity))

Cell effects are solved for exactly in every step, the rest by a projected Newton method. What an
experiment measured enters as one more term: its increment, with its standard error.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.models.incremental_design import Floats

_STEPS = 40
_TINY = 1e-9
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Term:
    """What an experiment measured of a channel: the conversions it brought in some cells."""

    channel: int
    weight: Floats  # cell x week: which part of the cell's week the experiment saw
    increment: float
    standard_error: float
    by_person: bool = False  # people were held out; else places and days


@dataclass(frozen=True, slots=True)
class Prior:
    """A normal on the coefficients, cut off at zero, and one on what else moves conversions."""

    centre: Floats
    precision: Floats  # channel x channel
    nuisance: Floats  # precision of each course


@dataclass(frozen=True, slots=True)
class Panel:
    """What is fitted: counts, courses, which weeks count, and by how much counts scatter more."""

    counts: Floats  # cell x week
    courses: Floats  # course x cell x week
    seen: Bools  # week
    scatter: float = 1.0


@dataclass(frozen=True, slots=True)
class Fitted:
    """The mode, the normal that has the posterior's shape there, and the evidence."""

    coefficients: Floats
    courses: Floats
    centre: Floats  # of the normal, before it is cut off at zero
    covariance: Floats
    evidence: float
    expected: Floats  # cell x week


def fit(
    panel: Panel,
    intensity: Floats,
    prior: Prior,
    terms: Sequence[Term] = (),
    start: tuple[Floats, Floats] | None = None,
) -> Fitted:
    """The posterior's mode and its curvature there."""
    problem = _Problem(panel, intensity, prior, terms)
    channels = len(intensity)
    if start is None:
        start = np.zeros(len(panel.courses)), np.maximum(prior.centre, 0.02)
    look = problem.at(np.concatenate([start[0], start[1]]))
    gradient, curvature = problem.slopes(look)
    for _ in range(_STEPS):
        held = np.zeros(len(look.point), dtype=bool)
        held[-channels:] = (look.point[-channels:] <= _TINY) & (gradient[-channels:] <= 0)
        free = ~held
        step = np.zeros(len(look.point))
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
        if float(gradient @ step) < 1e-7:
            break
        length, better = 1.0, False
        while length > 1e-4 and not better:
            trial = look.point + length * step
            trial[-channels:] = np.maximum(trial[-channels:], 0.0)
            tried = problem.at(trial)
            better = tried.value > look.value
            length /= 2
        if not better:
            break
        gained = tried.value - look.value
        look = tried
        gradient, curvature = problem.slopes(look)
        if gained < 1e-6:
            break
    return problem.fitted(look, gradient, curvature)


@dataclass(frozen=True, slots=True)
class _Look:
    """The log posterior at a point, with what its derivatives are made of."""

    point: Floats
    value: float
    expected: Floats  # cell x week: each cell scaled to its own total
    added: Floats  # one plus what channels add, over all cells and weeks in a row


class _Problem:
    """The log posterior and its derivatives over courses and coefficients together."""

    def __init__(
        self, panel: Panel, intensity: Floats, prior: Prior, terms: Sequence[Term]
    ) -> None:
        self.panel, self.prior, self.terms = panel, prior, terms
        self.all_intensity = intensity
        self.counts = panel.counts[:, panel.seen]
        # Cells and weeks in a row, so that what is summed over them is a product of matrices.
        self.courses = panel.courses[:, :, panel.seen].reshape(len(panel.courses), -1)
        self.intensity = intensity[:, :, panel.seen].reshape(len(intensity), -1)
        self.totals = self.counts.sum(axis=1)
        self.counted = np.flatnonzero(self.counts)
        self.count = self.counts.ravel()[self.counted]

    def _split(self, point: Floats) -> tuple[Floats, Floats]:
        return point[: len(self.courses)], point[len(self.courses) :]

    def at(self, point: Floats) -> _Look:
        gamma, beta = self._split(point)
        added = 1 + beta @ self.intensity
        rate = np.exp(np.clip(gamma @ self.courses, -20, 20)) * added
        rate = rate.reshape(self.counts.shape)
        expected = rate * (self.totals / np.maximum(rate.sum(axis=1), 1e-300))[:, None]
        fits = float(self.count @ np.log(expected.ravel()[self.counted])) / self.panel.scatter
        off = beta - self.prior.centre
        loss = float(off @ self.prior.precision @ off + self.prior.nuisance @ gamma**2) / 2
        for term in self.terms:
            increment, _ = self._increment(beta, term)
            loss += ((increment - term.increment) / term.standard_error) ** 2 / 2
        return _Look(point, fits - loss, expected, added)

    def slopes(self, look: _Look) -> tuple[Floats, Floats]:
        """Gradient and curvature (expected information)."""
        gamma, beta = self._split(look.point)
        slopes = np.concatenate([self.courses, self.intensity / look.added])
        gradient = slopes @ (self.counts - look.expected).ravel() / self.panel.scatter
        weighed = slopes * look.expected.ravel()
        # Of each cell, its total times the mean slope; a cell of nothing weighs nothing.
        whole = weighed.reshape(len(slopes), *self.counts.shape).sum(axis=2)
        cells = (whole / np.maximum(self.totals, 1e-300)) @ whole.T
        curvature = (weighed @ slopes.T - cells) / self.panel.scatter
        courses = len(gamma)
        gradient[:courses] -= self.prior.nuisance * gamma
        gradient[courses:] -= self.prior.precision @ (beta - self.prior.centre)
        curvature[np.arange(courses), np.arange(courses)] += self.prior.nuisance
        curvature[courses:, courses:] += self.prior.precision
        for term in self.terms:
            increment, slope = self._increment(beta, term)
            precision = 1 / term.standard_error**2
            gradient[courses:] -= precision * (increment - term.increment) * slope
            curvature[courses:, courses:] += precision * np.outer(slope, slope)
        return gradient, curvature

    def _increment(self, beta: Floats, term: Term) -> tuple[float, Floats]:
        """A channel's conversions where a test looked, of those counted there, and its slope."""
        added = 1 + np.tensordot(beta, self.all_intensity, 1)
        counted = self.panel.counts * term.weight / added
        own = self.all_intensity[term.channel]
        slope = -np.tensordot(self.all_intensity, counted / added * beta[term.channel] * own, 2)
        slope[term.channel] += float((counted * own).sum())
        return float((counted * own).sum() * beta[term.channel]), slope

    def fitted(self, look: _Look, gradient: Floats, curvature: Floats) -> Fitted:
        gamma, beta = self._split(look.point)
        courses = len(gamma)
        inner = curvature[:courses, :courses]
        cross = curvature[:courses, courses:]
        solved = np.linalg.solve(inner, cross)
        # What is left for the coefficients once the courses have had their say.
        own = curvature[courses:, courses:] - cross.T @ solved
        slope = gradient[courses:] - solved.T @ gradient[:courses]
        own = (own + own.T) / 2
        covariance: Floats = np.linalg.inv(own).astype(np.float64)
        held = beta <= _TINY
        evidence = look.value + _volume(own, slope, held)
        evidence += 0.5 * float(np.log(self.prior.nuisance).sum())
        evidence -= 0.5 * float(np.linalg.slogdet(inner)[1])
        evidence += 0.5 * float(np.linalg.slogdet(self.prior.precision)[1])
        evidence -= _inside(self.prior)
        return Fitted(
            coefficients=beta,
            courses=gamma,
            centre=beta + covariance @ slope,
            covariance=covariance,
            evidence=evidence,
            expected=self._everywhere(gamma, beta),
        )

    def _everywhere(self, gamma: Floats, beta: Floats) -> Floats:
        course = np.exp(np.clip(np.tensordot(gamma, self.panel.courses, 1), -20, 20))
        rate = course * (1 + np.tensordot(beta, self.all_intensity, 1))
        seen = np.maximum(rate[:, self.panel.seen].sum(axis=1), 1e-300)
        expected: Floats = rate * (self.totals / seen)[:, None]
        return expected


def _volume(precision: Floats, slope: Floats, held: Bools) -> float:
    """Log of the posterior's volume beside its height: normal where free, an edge where held."""
    free = ~held
    size = 0.0
    if free.any():
        size -= 0.5 * float(np.linalg.slogdet(precision[np.ix_(free, free)])[1])
    for at in np.flatnonzero(held):
        # The integral of exp(-g b - h b^2 / 2) over b >= 0, for a slope of -g at the edge.
        g, h = max(-float(slope[at]), 0.0), float(precision[at, at])
        size += float(np.log(1 / (g + np.sqrt(2 * h / np.pi)))) - 0.5 * float(np.log(2 * np.pi))
    return size


def _inside(prior: Prior) -> float:
    """Log of the part of the prior that is not negative, channel by channel."""
    from math import erfc, log, sqrt

    sd = np.sqrt(np.diag(np.linalg.inv(prior.precision)))
    return sum(
        log(max(0.5 * erfc(-centre / scale / sqrt(2)), 1e-300))
        for centre, scale in zip(prior.centre.tolist(), sd.tolist(), strict=True)
    )
