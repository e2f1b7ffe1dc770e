"""Other ways to tell the same test on markets, set beside the one that was registered.

They are no choice: whoever picks the answer that suits after the fact fools themselves.
"""

from collections.abc import Iterator

import numpy as np

from attribution.models.arm_lift import Sums, difference
from attribution.models.incremental_design import Floats
from attribution.models.lift_effect import METHODS, Method, course_of
from attribution.models.lift_panel import Layout
from attribution.models.lift_placebo import placebos

_FEWEST = 2  # markets in an arm
TITLES = {"pooled": "Difference in differences", "synthetic": "Synthetic control"}
Told = tuple[str, float, float, float]  # how, what the test changed, and its 90% interval


def beside(counts: Floats, layout: Layout, registered: Method, seed: int) -> Iterator[Told]:
    """What other methods say was counted more (or, below nought, less) because of the test."""
    other = "synthetic" if registered.kind == "pooled" else "pooled"
    for method in [each for each in METHODS if each.kind == other][-1:]:
        errors = placebos(counts, layout, method, seed)
        if errors is not None:
            course = course_of(counts, layout, method)
            reach = errors.reach() * errors.spread * course.expected
            effect = course.counted - course.expected
            yield (TITLES[method.kind], effect, effect - reach, effect + reach)
    found = cuped(counts, layout)
    if found is not None:
        yield ("Means of markets, CUPED", *found)


def title_of(method: Method) -> str:
    """How a method is called on the page."""
    last = " and where they stood last" if method.lean else ""
    return f"{TITLES[method.kind]}, {method.weeks} weeks before{last}"


def why_no_cuped(counts: Floats, layout: Layout) -> str:
    """Why means of markets cannot be told, in a sentence; nothing where they can."""
    begins = "Means of markets with CUPED are left out: "
    if len(layout.cohorts) != 1:
        return f"{begins}the treated markets begin at different times."
    if min(len(layout.treated), len(layout.controls)) < _FEWEST:
        return f"{begins}they take at least {_FEWEST} treated markets and {_FEWEST} others."
    length = layout.end - layout.start - layout.washout
    if layout.start <= length:
        return f"{begins}they take more weeks before the test than it has."
    empty = int((_before(counts, layout) <= 0).sum())
    if empty:
        markets = "a market" if empty == 1 else f"{empty} markets"
        return f"{begins}{markets} counted nothing in the year before, to be compared with."
    return "" if cuped(counts, layout) else f"{begins}what markets counted does not vary."


def _before(counts: Floats, layout: Layout) -> Floats:
    """What each market counted in a week of the year before, the weeks right before left out."""
    length = layout.end - layout.start - layout.washout
    span = slice(max(layout.start - 52 - length, 0), layout.start - length)
    return np.asarray(counts[:, span].mean(axis=1))


def cuped(counts: Floats, layout: Layout) -> tuple[float, float, float] | None:
    """Difference in means of markets, with what they counted right before taken out (CUPED).

    Markets are the units: what each counted in the test, over what it counted in the year before.
    Welch's interval, of `arm_lift.difference`. None where an arm has fewer than two markets, or
    markets begin at different times.
    """
    begins = layout.start + layout.washout
    length = layout.end - begins
    if len(layout.cohorts) != 1 or min(len(layout.treated), len(layout.controls)) < _FEWEST:
        return None
    if layout.start <= length or not ((before := _before(counts, layout)) > 0).all():
        return None
    during = counts[:, begins : layout.end].mean(axis=1) / before
    ahead = counts[:, layout.start - length : layout.start].mean(axis=1) / before
    arms = [_sums(during[list(arm)], ahead[list(arm)]) for arm in (layout.treated, layout.controls)]
    found = difference(*arms, of_markets=True)
    if found is None:
        return None
    size = float(before[list(layout.treated)].sum()) * length
    return found.effect * size, found.low * size, found.high * size


def _sums(y: Floats, x: Floats) -> Sums:
    return Sums(
        len(y), float(y.sum()), float(np.square(y).sum()), float(x.sum()),
        float(np.square(x).sum()), float((x * y).sum()),
    )  # fmt: skip
