"""What a test on markets brought: counted, less what would have been counted without it.

What would have been is told by markets that were never treated, each cohort by itself: how much
more or less they counted than before, times what the treated counted before (difference in
differences of ratios), or a weighted mean of them that went along with the treated before
(synthetic control: Abadie, Diamond and Hainmueller 2010). The weights are not negative, add up to
1, and are held towards those of the markets' sizes (as Arkhangelsky et al. 2021 hold them towards
equal ones), so few weeks cannot be fitted by chance. Never-treated markets alone are compared with,
so tests that begin at different times are not spoilt by each other (Callaway and Sant'Anna 2021).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import nnls

from attribution.models.incremental_design import Floats
from attribution.models.lift_panel import Cohort, Layout

Kind = Literal["pooled", "synthetic"]
_SURE = 1e3  # weights add up to 1 as surely as this many times the data
# Of the variance by chance: the root of how many weeks of markets a usual test counts, as
# Arkhangelsky et al. have it.
_HOLD = 3.0
_FEWEST = 0.5  # a week, below which a mean is none to divide by


@dataclass(frozen=True, slots=True)
class Method:
    """How the course without the test is told, and from how many weeks before it."""

    kind: Kind
    weeks: int

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.weeks}"


METHODS = (
    Method("pooled", 8),
    Method("pooled", 16),
    Method("pooled", 26),
    Method("pooled", 52),
    Method("synthetic", 26),
    Method("synthetic", 52),
)


def method_of(name: str) -> Method:
    """The method of a name that a plan was registered with."""
    return {method.name: method for method in METHODS}[name]


@dataclass(frozen=True, slots=True)
class Course:
    """What the treated counted and would have counted: by week, from `first` on; and in all.

    The weekly courses are of all treated markets, tested or not yet; the sums are of the weeks that
    count alone.
    """

    first: int
    observed: Floats
    without: Floats
    counted: float
    expected: float
    weekly: Floats  # of weeks that count: observed less expected
    base: Floats  # of the same weeks: expected


def course_of(counts: Floats, layout: Layout, method: Method) -> Course:
    """Both courses of a test; `counts` is market x week and reaches to the end of the test.

    Weeks before `layout.start - method.weeks` are not looked at.
    """
    first = max(layout.start - method.weeks, 0)
    whole = np.zeros(layout.end - first)
    seen = np.zeros_like(whole)
    difference, base = np.zeros_like(whole), np.zeros_like(whole)
    for cohort in layout.cohorts:
        expected = _without(counts, cohort, layout, method)[first : layout.end]
        observed = counts[list(cohort.markets), first : layout.end].sum(axis=0)
        whole += expected
        seen += observed
        begins = cohort.start + layout.washout - first
        difference[begins:] += (observed - expected)[begins:]
        base[begins:] += expected[begins:]
    inside = base > 0
    total = float(base.sum())
    return Course(
        first, seen, whole, total + float(difference.sum()), total,
        difference[inside], base[inside],
    )  # fmt: skip


def _without(counts: Floats, cohort: Cohort, layout: Layout, method: Method) -> Floats:
    """What a cohort would have counted in each week, had it not been treated."""
    fitted = slice(max(cohort.start - method.weeks, 0), cohort.start)
    own = counts[list(cohort.markets)].sum(axis=0)
    level = float(own[fitted].mean())
    others = counts[list(layout.controls)]
    size = np.maximum(others[:, fitted].mean(axis=1), 0.0)
    if method.kind == "pooled" or len(others) == 1:
        course = others.sum(axis=0) / max(float(size.sum()), _FEWEST)
    else:
        kept = size >= _FEWEST
        if not kept.any():
            kept[:] = True
        index = others[kept] / np.maximum(size[kept], _FEWEST)[:, None]
        usual = size[kept] / size[kept].sum()
        weights = _weights(index[:, fitted], own[fitted] / max(level, _FEWEST), usual)
        course = weights @ index
        course = course / max(float(course[fitted].mean()), 1e-9)
    expected: Floats = level * course
    return expected


def _weights(index: Floats, own: Floats, usual: Floats) -> Floats:
    """Weights of markets, not negative, of a sum of 1, held towards `usual`.

    They minimise |own - weights @ index|^2 + weeks * sum of hold_c * (weights_c - usual_c)^2, where
    `hold_c` is some times the variance by chance of the market's course: the smaller a market, the
    more it is held. Chance is told from one week to the next, where drift hardly shows.
    """
    markets, weeks = index.shape
    steps = (np.diff(index, axis=1) ** 2).mean(axis=1) / 2
    # The variance of a market's index falls with its size; this is one number for all of them.
    chance = max(float((usual * steps).mean()), 1e-12)
    ridge = np.diag(np.sqrt(_HOLD * weeks * chance / np.maximum(usual, 1e-6)))
    sure = _SURE * float(max(ridge.max(), np.abs(index).max(), 1.0))
    left = np.vstack([index.T, ridge, np.full((1, markets), sure)])
    found = nnls(left, np.concatenate([own, ridge @ usual, [sure]]))[0]
    weights: Floats = found / max(float(found.sum()), 1e-12)
    return weights
