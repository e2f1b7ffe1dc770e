"""How many people a holdout takes, and the smallest lift that so many tell from nothing.

For shares of people, such as those who book. What is known of everybody from before takes a part
`explained` of the variance away (CUPED: Deng, Xu, Kohavi and Walker 2013), as `arm_lift` does when
the arms are compared. An interval that holds at every look (`arm_lift.peeking`) is wider.
"""

from math import ceil

from scipy.optimize import brentq

from attribution.errors import BadInput
from attribution.models.arm_lift import LEVEL, peeking, prove_level
from attribution.models.quantiles import normal


def people_needed(
    base: float,
    added: float,
    share: float,
    *,
    power: float = 0.8,
    level: float = LEVEL,
    explained: float = 0.0,
) -> int:
    """How many people in both arms find an added share, `share` of them held out.

    `base` is what the held-out do anyway. Two proportions, two-sided, by their normal approximation
    (Fleiss, Levin and Paik 2003, 4.2). Raises BadInput where shares cannot be so.
    """
    if not (0 < base < 1 and 0 < base + added < 1 and added and 0 < share < 1 > explained >= 0):
        raise BadInput(
            "No test can be planned: shares must lie between 0 and 1, and the lift must not be 0."
        )
    prove_level(level)
    if not 0 < power < 1:
        raise BadInput(
            f"{power:g} is no power of a test: give more than 0 and less than 1, as 0.8 for four "
            "in five."
        )
    sure = normal(0.5 + level / 2)
    return ceil(_people(base, added, share, sure, power) * (1 - explained))


def detectable(
    people: int,
    base: float,
    share: float,
    *,
    power: float = 0.8,
    level: float = LEVEL,
    explained: float = 0.0,
    looking: bool = False,
) -> float | None:
    """The smallest added share that so many people tell; `looking` is for whoever looks every week.

    None where no share that can be is told.
    """
    sure = peeking(people, level) if looking else normal(0.5 + level / 2)
    most = 1 - base - 1e-9

    def lacking(added: float) -> float:
        return _people(base, added, share, sure, power) * (1 - explained) - people

    return float(brentq(lacking, 1e-9, most)) if lacking(most) < 0 else None


def _people(base: float, added: float, share: float, sure: float, power: float) -> float:
    raised = base + added
    width = sure + normal(power)
    variance = raised * (1 - raised) / (1 - share) + base * (1 - base) / share
    return width * width * variance / (added * added)
