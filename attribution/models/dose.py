"""How NPS goes with the minutes that people waited: a smooth curve with a 95% band.

A restricted cubic spline (Harrell, Regression Modeling Strategies, 2.4.5: straight beyond the outer
knots, which lie at fixed quantiles of the waits) by least squares on +1, 0 and -1 for promoters,
passives and detractors, so the curve is an NPS at each wait. Variances are White's, from the
residuals of the answers themselves: they do not take the classes to vary alike. It is an
association: who waits longer differs in more than the wait.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
FEWEST = 100  # answers below which no curve is drawn
_KNOTS = (0.05, 0.35, 0.65, 0.95)
_POINTS = 25
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Curve:
    """NPS, from -1 to 1, at each of some minutes of waiting, with the ends of its 95% band."""

    minutes: Floats
    nps: Floats
    low: Floats
    high: Floats


def curve(
    minutes: npt.ArrayLike,
    promoters: npt.ArrayLike,
    passives: npt.ArrayLike,
    detractors: npt.ArrayLike,
) -> Curve | None:
    """The curve through groups of answers, each at its mean wait; None where there are too few."""
    at = np.asarray(minutes, np.float64)
    up, middle, down = (np.asarray(each, np.float64) for each in (promoters, passives, detractors))
    people = up + middle + down
    if people.sum() < FEWEST:
        return None
    knots = np.unique(_quantiles(at, people))
    if len(knots) < 3:
        return None
    design = _basis(at, knots)
    bread = np.linalg.pinv(design.T @ (people[:, None] * design))
    effects = bread @ (design.T @ (up - down))
    fitted = design @ effects
    squares = up * (1 - fitted) ** 2 + middle * fitted**2 + down * (1 + fitted) ** 2
    covariance = bread @ (design.T @ (squares[:, None] * design)) @ bread
    # Beyond the outer knots there are few answers, and the curve is a straight guess.
    grid = np.linspace(knots[0], knots[-1], _POINTS)
    points = _basis(grid, knots)
    shown = points @ effects
    reach = _Z * np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", points, covariance, points), 0.0))
    return Curve(
        grid, np.clip(shown, -1, 1), np.clip(shown - reach, -1, 1), np.clip(shown + reach, -1, 1)
    )


def _quantiles(at: Floats, people: Floats) -> Floats:
    order = np.argsort(at, kind="stable")
    share = (np.cumsum(people[order]) - people[order] / 2) / people.sum()
    found: Floats = np.interp(_KNOTS, share, at[order])
    return found


def _basis(at: Floats, knots: Floats) -> Floats:
    """One, the wait, and a bend for each knot but the last two; cubic between, straight outside."""
    last, before = knots[-1], knots[-2]
    scale = (last - knots[0]) ** 2

    def cube(knot: float) -> Floats:
        return np.maximum(at - knot, 0.0) ** 3

    bends = [
        (
            cube(knot)
            - cube(before) * (last - knot) / (last - before)
            + cube(last) * (before - knot) / (last - before)
        )
        / scale
        for knot in knots[:-2]
    ]
    return np.column_stack([np.ones_like(at), at, *bends])
