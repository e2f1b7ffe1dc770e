"""Checks the default mix model against the full Bayesian one, which needs Python 3.12.

    make check-mmm WORLDS=10
    PEER/bin/python -m benchmarks.check_mmm 10

Both learn the same simulated worlds (seeds from 100), without lift tests and with those of every
channel. The exit code is 1 where the default is further from the truth than the Bayesian fit, its
intervals are further from holding nine of ten, or it takes more than a twentieth of the time, or
where tests do not halve the error of either.
"""

import sys
import warnings

import numpy as np

from attribution.models.estimate import ends_of_draws
from benchmarks.mix import SEEN, learned, told
from benchmarks.mix_peer import fitted
from benchmarks.mix_worlds import CHANNELS, World, world

FIRST, DRAWS = 100, 500
_EVERY = range(CHANNELS)


def main() -> int:
    warnings.simplefilter("ignore")
    worlds = [world(FIRST + number) for number in range(int(sys.argv[1]))]
    fast, fast_tested = (measured(worlds, tests, bayes=False) for tests in (0, CHANNELS))
    full, full_tested = (measured(worlds, tests, bayes=True) for tests in (0, CHANNELS))
    wrong = []
    if fast[0] > full[0]:
        wrong.append("the default errs more than the Bayesian fit without tests")
    if fast[2] > full[2]:
        wrong.append("the default's intervals are further from holding nine of ten")
    if fast[1] > full[1] / 20:
        wrong.append("the default takes more than a twentieth of the time")
    if fast_tested[0] > fast[0] / 2:
        wrong.append("tests do not halve the error of the default")
    if full_tested[0] > full[0] / 2:
        wrong.append("tests do not halve the error of the Bayesian fit")
    for sentence in wrong:
        print(f"wrong: {sentence}")
    return 1 if wrong else 0


def measured(worlds: list[World], tests: int, *, bayes: bool) -> tuple[float, float, float]:
    """The median world's error of the return on money, and processor seconds a world.

    Last, how far the 90% intervals are from holding nine of ten.
    """
    rows, seconds = [], []
    for lived in worlds:
        if bayes:
            brought, took = fitted(lived, tests=tests, draws=DRAWS)
            true = lived.brought.sum(axis=1)
        else:
            brought, _, took = learned(lived, _EVERY[:tests])
            true = lived.brought[:, SEEN].sum(axis=1)
        low, high = ends_of_draws(brought)
        rows.append((brought.mean(axis=0), low, high, true))
        seconds.append(took)
    told(f"{'pymc-marketing' if bayes else 'default'}, {tests} channels tested", rows, seconds)
    errors = [np.median(np.abs(middle - true) / true) for middle, _, _, true in rows]
    held = np.mean([(low <= true) & (true <= high) for _, low, high, true in rows])
    return float(np.median(errors)), float(np.mean(seconds)), abs(float(held) - 0.9)


if __name__ == "__main__":
    sys.exit(main())
