"""How often the intervals of a holdout hold the true effect, over simulated worlds.

    .venv/bin/python benchmarks/holdout_coverage.py 200 6000

People have been silent for as long as in the demo and come back by its hazards; a message adds what
it adds there. The truth of a world is the mean over its people of what being treated adds to the
probability of a visit within 90 days, weighed by whether it would be kept. Arms are drawn by the
product's own keyed hash, and outcomes go through the product's own lift, with the year before.
"""

import sys
import time
from datetime import date

import numpy as np

from attribution.demo import winback
from attribution.demo.market import Calendar
from outreach.holdout import HELD_OUT, arms
from outreach.lift import lift

CALENDAR = Calendar(date(2026, 11, 22), 104)
WEEKS = 13
KEPT = 0.83  # of those who book


def world(seed: int, people: int, share: float) -> tuple[float, ...]:
    draw = np.random.default_rng(seed)
    silent = 26 + 170 * draw.uniform(size=people) ** 1.6
    need = np.clip(np.exp(0.5 * draw.normal(size=people) - 0.125), 0.2, 4.0)
    extra = winback.campaigns(CALENDAR)[0].extra_hazard(silent)
    log_stay = np.zeros((2, people))
    for week in range(WEEKS):
        base = need * winback.return_hazard(silent + week)
        log_stay[0] -= base
        log_stay[1] -= base + (extra if week < winback.EFFECT_WEEKS else 0)
    chance = KEPT * (1 - np.exp(log_stay))
    truth = float((chance[1] - chance[0]).mean())
    held = np.array(arms(seed.to_bytes(32, "big"), "recall", range(people), share)) == HELD_OUT
    outcome = (draw.uniform(size=people) < np.where(held, chance[0], chance[1])).astype(float)
    before = draw.poisson(0.6 * need * (silent < 52)).astype(float)
    found = lift(outcome[~held], outcome[held], before[~held], before[held], level=0.9)
    assert found is not None
    return truth, found.effect, found.low, found.high, found.anytime_low, found.anytime_high


if __name__ == "__main__":
    worlds, people = int(sys.argv[1]), int(sys.argv[2])
    for share in (0.10, 0.15, 0.50):
        began = time.process_time()
        rows = np.array([world(seed, people, share) for seed in range(worlds)])
        truth, effect, low, high, alow, ahigh = rows.T
        covered = float(((low <= truth) & (truth <= high)).mean())
        always = float(((alow <= truth) & (truth <= ahigh)).mean())
        print(
            f"held out {share:.0%}: true lift {truth.mean():.4f}, mean estimate "
            f"{effect.mean():.4f}; 90% intervals hold it in {covered:.1%} of {worlds} worlds "
            f"(at any time: {always:.1%}); half width {np.mean(high - low) / 2:.4f}; "
            f"{time.process_time() - began:.0f} CPU s"
        )
