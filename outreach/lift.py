"""Lift: the treated less the held out, by intention to treat, and how sure that is.

Everyone who was assigned counts in their arm, whether a message reached them or not. What is known
of them from before is taken out first (CUPED: Deng, Xu, Kohavi and Walker 2013), which moves no
estimate on average and makes it surer. Two intervals come with it: one that holds if it is looked
at once, and one that holds however often somebody peeks (the asymptotic confidence sequence of
Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, arXiv 2103.06476, theorem 2.2).
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from attribution.models.arm_lift import least, peeking
from attribution.models.gain import FEWEST, of_one
from attribution.models.quantiles import student

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lift:
    """What treating brought, a person; `low` and `high` hold once, the others at any time."""

    treated: int
    held_out: int
    mean_treated: float
    mean_held_out: float
    effect: float
    low: float
    high: float
    anytime_low: float
    anytime_high: float


def lift(
    treated: Floats,
    held_out: Floats,
    before_treated: Floats | None = None,
    before_held_out: Floats | None = None,
    *,
    level: float = 0.9,
) -> Lift | None:
    """The difference of two arms' means; None where an arm has fewer than FEWEST people.

    Outcomes are one number a person; `before` is the same people's covariate from before they were
    assigned. `level` is that of both intervals. No arm is surer than one person more or less would
    make it, as in `arm_lift.difference`.
    """
    if min(len(treated), len(held_out)) < FEWEST:
        return None
    one, other = treated, held_out
    if before_treated is not None and before_held_out is not None:
        one, other = cuped(treated, held_out, before_treated, before_held_out)
    effect = float(one.mean() - other.mean())
    every = np.concatenate([treated, held_out])
    one_more = of_one(float(every.sum()), float(every @ every))
    parts = [least(float(a.var(ddof=1)), one_more, len(a)) / len(a) for a in (one, other)]
    error = sqrt(sum(parts))
    # Welch and Satterthwaite: few are held out, and arms vary differently.
    spread = sum(p * p / (len(a) - 1) for p, a in zip(parts, (one, other), strict=True))
    freedom = error**4 / spread if spread > 0 else np.inf
    once = error * student(0.5 + level / 2, freedom)
    always = error * peeking(len(one) + len(other), level)
    return Lift(
        len(one), len(other), float(treated.mean()), float(held_out.mean()),
        effect, effect - once, effect + once, effect - always, effect + always,
    )  # fmt: skip


def cuped(
    treated: Floats, held_out: Floats, before_treated: Floats, before_held_out: Floats
) -> tuple[Floats, Floats]:
    """Both arms' outcomes less what was to be expected from before: y - theta (x - mean of x).

    theta is the pooled within-arm slope, so that the effect itself does not bend it.
    """
    centred = [
        (y - y.mean(), x - x.mean())
        for y, x in ((treated, before_treated), (held_out, before_held_out))
    ]
    across = sum(float(x @ x) for _y, x in centred)
    theta = sum(float(y @ x) for y, x in centred) / across if across > 0 else 0.0
    middle = np.concatenate([before_treated, before_held_out]).mean()
    return (
        treated - theta * (before_treated - middle),
        held_out - theta * (before_held_out - middle),
    )
