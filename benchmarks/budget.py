"""What a recommended budget truly gains, beside the plan that knows the truth.

    python -m benchmarks.budget                  forty worlds, with and without lift tests
    python -m benchmarks.budget --worlds 100

In each world the money of the last quarter is moved between channels, the total as it is, each
channel within what four weeks were ever given. Then the world's own curves say what that brings.
"""

import argparse
import os

import numpy as np
from scipy.optimize import LinearConstraint, minimize

from attribution.models.budget import Limits, limits_of, plan
from benchmarks.mix import SEEN, learned
from benchmarks.mix_worlds import World, world

_STARTS = 6


def best(lived: World, now: np.ndarray, limits: Limits, also: np.ndarray) -> float:
    """The gain of the plan that knows the curves: the best of searches from several starts."""
    unit, today = limits.total / len(now), lived.weekly(now)
    bounds = list(zip(limits.low / unit, limits.high / unit, strict=True))
    rng = np.random.default_rng(1)
    starts = [now, also, *(rng.uniform(limits.low, limits.high) for _ in range(_STARTS))]
    found = [lived.weekly(also) - today, 0.0]
    whole = LinearConstraint(np.ones((1, len(now))), len(now), len(now))
    for start in starts:
        answer = minimize(
            lambda x: -lived.weekly(np.maximum(x * unit, 1e-6)) / today,
            np.clip(start, limits.low, limits.high) / unit,
            bounds=bounds, constraints=[whole], method="SLSQP",
            options={"maxiter": 300, "ftol": 1e-10},
        )  # fmt: skip
        if abs(answer.x.sum() - len(now)) < 1e-6:
            found.append(lived.weekly(answer.x * unit) - today)
    return max(found)


def gained(seed: int, *, tests: int, careful: bool) -> tuple[float, float, float]:
    """What the plan truly gains, what the best one would, and how sure the plan said it was."""
    lived = world(seed)
    _, curves, _ = learned(lived, range(tests))
    now = lived.spend[:, -13:].mean(axis=1)
    month = np.stack([np.convolve(course, np.ones(4) / 4, "valid") for course in
                      lived.spend[:, SEEN]])  # fmt: skip
    low, high = np.minimum(month.min(axis=1), now), np.maximum(month.max(axis=1), now)
    if tests:
        low = np.where(np.arange(len(now)) < tests, 0.0, low)
    limits = limits_of(float(now.sum()), low, high)
    made = plan(curves, now, limits, careful=careful)
    true = lived.weekly(made.spend) - lived.weekly(now)
    return true, best(lived, now, limits, made.spend), made.sure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=40)
    parser.add_argument("--first", type=int, default=100)
    asked = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {asked.worlds} worlds")
    for tests, careful in ((0, False), (0, True), (8, False)):
        rows = [
            gained(seed, tests=tests, careful=careful)
            for seed in range(asked.first, asked.first + asked.worlds)
        ]
        true, most, sure = (np.array(part) for part in zip(*rows, strict=True))
        name = f"{tests} channels tested" if tests else "without tests"
        print(
            f"{name}{', careful' if careful else ''}: {true.sum() / most.sum():.0%} of the gain "
            f"that was there (median world {np.median(true / most):.0%}); worse than today's in "
            f"{(true < 0).sum()} of {asked.worlds}; it said it was {sure.mean():.0%} sure"
        )


if __name__ == "__main__":
    main()
