"""How many people a holdout takes: the smallest lift that two arms tell from nothing.

For shares of people, such as those who book. What is known of everybody from before takes a part
`explained` of the variance away (CUPED: Deng, Xu, Kohavi and Walker 2013), as `arm_lift` does when
the arms are compared. An interval that holds at every look (`arm_lift.peeking`) is wider.
"""

from math import ceil, sqrt

from scipy import stats

from attribution.errors import BadInput
from attribution.models.arm_lift import LEVEL, peeking


def detectable(
    people: int,
    share: float,
    rate: float,
    *,
    explained: float = 0.0,
    power: float = 0.8,
    level: float = LEVEL,
    looking: bool = False,
) -> float:
    """The smallest difference of shares that is told; `share` of the people is held out.

    `rate` is what the held-out do anyway; `looking` is for whoever looks every week.
    """
    _proved(share, rate, explained)
    spread = rate * (1 - rate) * (1 - explained)
    error = sqrt(spread * (1 / (people * share) + 1 / (people * (1 - share))))
    sure = peeking(people, level) if looking else float(stats.norm.ppf(0.5 + level / 2))
    return (sure + float(stats.norm.ppf(power))) * error


def people_needed(
    lift: float,
    share: float,
    rate: float,
    *,
    explained: float = 0.0,
    power: float = 0.8,
    level: float = LEVEL,
) -> int:
    """How many people both arms need together to tell a difference of shares."""
    _proved(share, rate, explained)
    if lift <= 0:
        raise BadInput("A lift must be above 0 to be looked for. Give the smallest that matters.")
    sure = float(stats.norm.ppf(0.5 + level / 2)) + float(stats.norm.ppf(power))
    spread = rate * (1 - rate) * (1 - explained)
    return ceil((sure / lift) ** 2 * spread * (1 / share + 1 / (1 - share)))


def _proved(share: float, rate: float, explained: float) -> None:
    if not (0 < share < 1 and 0 < rate < 1 and 0 <= explained < 1):
        raise BadInput(
            "A holdout's share and the rate without it lie between 0% and 100%. Correct them."
        )
