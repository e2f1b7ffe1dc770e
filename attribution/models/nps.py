"""How sure a net promoter score is: the score interval of a difference within one multinomial.

Promoters, passives and detractors are three classes of the same answers, so their shares are not
independent. The interval holds every difference that a score test would not reject: Tango (1998),
Statistics in Medicine 17, 891-908, equation 6, for the difference of the two outer cells of a
paired table, which is this difference; Rocks (2016), The American Statistician 70, 365-372, finds
it the best of those for NPS. Unlike Wald's it has its coverage with few answers too, and a width
where all answers are alike.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Z_95 = 1.959963984540054
_HALVINGS = 60


def nps(promoters: npt.ArrayLike, passives: npt.ArrayLike, detractors: npt.ArrayLike) -> Floats:
    """Share of promoters less share of detractors, from -1 to 1; NaN where nobody answered."""
    up, middle, down = (np.asarray(each, np.float64) for each in (promoters, passives, detractors))
    people = up + middle + down
    found: Floats = np.where(people > 0, (up - down) / np.maximum(people, 1), np.nan)
    return found


def interval(
    promoters: npt.ArrayLike,
    passives: npt.ArrayLike,
    detractors: npt.ArrayLike,
    z: float = Z_95,
) -> tuple[Floats, Floats]:
    """Both ends of the score interval of each NPS, from -1 to 1; NaN where nobody answered."""
    up, middle, down = (
        np.atleast_1d(np.asarray(each, np.float64)) for each in (promoters, passives, detractors)
    )
    people = up + middle + down
    seen = nps(up, middle, down)
    ends = []
    for edge, sign in ((-1.0, 1.0), (1.0, -1.0)):
        # The statistic falls from one end of the scale to the other, so its root is halved in.
        far, near = np.full_like(seen, edge), np.nan_to_num(seen)
        for _ in range(_HALVINGS):
            middle_ = (far + near) / 2
            outside = sign * _score(up, down, people, middle_) > z
            far, near = np.where(outside, middle_, far), np.where(outside, near, middle_)
        ends.append(np.where(people > 0, far, np.nan))
    return ends[0], ends[1]


def _score(up: Floats, down: Floats, people: Floats, difference: Floats) -> Floats:
    """How many standard errors the counts are above a supposed difference."""
    size = np.maximum(people, 1)
    linear = (2 * size - up + down) * difference - up - down
    constant = -down * difference * (1 - difference)
    root = np.sqrt(np.maximum(linear**2 - 8 * size * constant, 0.0))
    share_down = np.maximum((root - linear) / (4 * size), 0.0)
    variance = size * (2 * share_down + difference * (1 - difference))
    above = up - down - size * difference
    # At the ends of the scale nothing varies: whatever was seen elsewhere rules them out.
    found: Floats = above / np.sqrt(np.maximum(variance, 1e-12 * size))
    return found
