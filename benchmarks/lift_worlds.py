"""Made-up markets with a known effect: sizes, seasons and drifts differ, chance is a Poisson's."""

from dataclasses import dataclass

import numpy as np

from attribution.models.incremental_design import Floats
from attribution.models.lift_panel import Cohort, Layout


@dataclass(frozen=True, slots=True)
class Dark:
    """What was counted in a test, market x week, and what the channel would truly have brought."""

    counts: Floats
    layout: Layout
    truth: float


def dark(
    seed: int,
    markets: int = 12,
    treated: int = 5,
    *,
    weeks: int = 104,
    effect: float = 0.15,
    later: int = 0,
    size: float = 60.0,
    drift: float = 0.02,
    length: int = 8,
) -> Dark:
    """A channel that brings `effect` of all conversions goes off; half `later` weeks after."""
    rng = np.random.default_rng([seed, 5])
    at = np.arange(weeks)
    level = size * np.exp(rng.normal(0, 0.6, markets))
    season = 1 + 0.25 * np.sin(2 * np.pi * (at / 52 + rng.uniform()))
    own = 1 + 0.1 * np.sin(2 * np.pi * (at / 52 + rng.uniform(0, 1, (markets, 1))))
    common = np.exp(np.cumsum(rng.normal(0, 0.02, weeks)))
    steps, wander = rng.normal(0, drift, (markets, weeks)), np.zeros((markets, weeks))
    for week in range(1, weeks):
        wander[:, week] = 0.95 * wander[:, week - 1] + steps[:, week]
    mean = level[:, None] * season * own * common * np.exp(wander)
    order = rng.permutation(markets)
    start = weeks - length - 1 - later
    half = treated // 2 if later else 0
    cohorts = [Cohort(tuple(map(int, order[half:treated])), start)]
    if half:
        cohorts.append(Cohort(tuple(map(int, order[:half])), start + later))
    layout = Layout(tuple(cohorts), tuple(map(int, order[treated:])), 1, weeks)
    truth = 0.0
    for cohort in cohorts:
        rows = list(cohort.markets)
        truth += effect * float(mean[rows, cohort.start + 1 :].sum())
        mean[rows, cohort.start :] *= 1 - effect
    return Dark(rng.poisson(mean).astype("float64"), layout, truth)
