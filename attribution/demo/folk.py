"""The people of the demo: where they live, how they browse, and who is a patient already."""

from dataclasses import dataclass

import numpy as np

from attribution.demo.draws import Bools, Draws, Floats, Ints, pick
from attribution.demo.knobs import STANDARD, Knobs

PAYERS = ("commercial", "medicare", "medicaid", "self_pay")


@dataclass(frozen=True, slots=True)
class Folk:
    """What does not change about a list of people; positions in all arrays agree."""

    ids: Ints
    draws: Draws
    place: Ints
    line: Ints  # the service line they lean to
    payer: Ints
    birth_year: Ints
    activity: Floats  # how much they use the web; heavy users see and click more of everything
    need: Floats  # how often they need care, 1 on average
    follower: Bools  # of the system's pages on social networks
    takes_email: Bools
    takes_sms: Bools
    patient: Bools  # before the first day
    silent_weeks: Floats  # since their last visit, for those patients
    lapsed: Bools  # of those patients: have no next visit planned
    knobs: Knobs  # of the world they live in


def folk_of(seed: int, ids: Ints, knobs: Knobs = STANDARD) -> Folk:
    """Make the people with these numbers; each is the same in every list that holds them."""
    draws = Draws(seed, ids)
    bias = knobs.confounding
    patient = draws.uniform(9) < 0.42
    lapsed = patient & (draws.uniform(10) < 0.42)
    recent = 2 + 20 * draws.uniform(11)
    long_ago = 26 + 170 * draws.uniform(11) ** 1.6
    return Folk(
        ids=ids,
        draws=draws,
        place=pick(draws.uniform(1), (0.40, 0.36, 0.24)),
        line=pick(draws.uniform(2), (0.19, 0.20, 0.26, 0.35)),
        payer=pick(draws.uniform(3), (0.54, 0.21, 0.15, 0.10)),
        birth_year=(2007 - 72 * draws.uniform(4) ** 0.8).astype(np.int64),
        activity=np.clip(np.exp(0.7 * bias * draws.normal(5) - 0.245 * bias**2), 0.05, 5.0),
        need=np.clip(np.exp(0.5 * draws.normal(6) - 0.125), 0.2, 4.0),
        follower=draws.uniform(7) < 0.12,
        takes_email=draws.uniform(8) < 0.82,
        takes_sms=draws.uniform(12) < 0.68,
        patient=patient,
        silent_weeks=np.where(lapsed, long_ago, recent),
        lapsed=lapsed,
        knobs=knobs,
    )


def children(folk: Folk) -> Bools:
    """Who is a child in the medical record: patients of primary care alone."""
    young: Bools = (folk.line == 3) & (folk.draws.uniform(198) < 0.12)
    return young
