"""What a test on markets brought: counted, less what would have been counted without it.

What would have been is told by markets that were never treated, each cohort by itself: how much
more or less they counted than before, times what the treated counted before (difference in
differences of ratios), or a weighted mean of them that went along with the treated before
(synthetic control: Abadie, Diamond and Hainmueller 2010). The weights are not negative, add up to
1, and are held towards usual ones (as Arkhangelsky et al. 2021 hold them), so few weeks cannot be
fitted by chance. Usual is the root of a market's size: chance asks for its size, drift for none of
it. A method may lean half way on where the treated stood in the last weeks, since drifts fade.
Never-treated markets alone are compared with,
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
_LAST = 8  # weeks that say where the treated stood
_FEWEST = 0.5  # a week, below which a mean is none to divide by


@dataclass(frozen=True, slots=True)
class Method:
    """How the course without the test is told, and from how many weeks before it."""

    kind: Kind
    weeks: int
    lean: float = 0.0  # how far it goes along with where the treated stood in the last weeks

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.weeks}" + (f"-{self.lean:g}" if self.lean else "")


METHODS = (
    Method("pooled", 8),
    Method("pooled", 26),
    Method("pooled", 52),
    Method("pooled", 52, 0.5),
    Method("synthetic", 52),
    Method("synthetic", 52, 0.5),
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
    kept = size >= _FEWEST if (size >= _FEWEST).any() else size >= 0
    size = np.maximum(size[kept], _FEWEST)
    index = others[kept] / size[:, None]
    weights = np.sqrt(size) / np.sqrt(size).sum()
    if method.kind == "synthetic" and len(index) > 1:
        weights = _weights(index[:, fitted], own[fitted] / max(level, _FEWEST), weights)
    course = weights @ index
    expected: Floats = level * course / max(float(course[fitted].mean()), 1e-9)
    if method.lean:
        last = slice(max(cohort.start - _LAST, 0), cohort.start)
        stood = float(own[last].sum()) / max(float(expected[last].sum()), _FEWEST)
        expected = expected * stood**method.lean
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
