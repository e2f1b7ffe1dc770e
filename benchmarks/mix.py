"""How near the mix model comes to a known truth, and how often its 90% intervals hold it.

    python benchmarks/mix.py                                   ten worlds, with and without tests
    python benchmarks/mix.py --peer var/peer.json              beside what mix_peer.py wrote of them
    python benchmarks/mix.py --first 200 --worlds 20           the worlds it was tuned on

The return on a channel's money is what it brought over what it cost, so its error is the error of
what it brought, as a part of the truth. A world's figure is the median of its eight channels.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from mix_worlds import NAMES, WEEKS, World, world

from attribution.models.mix import brought_of, curves_of, fitted
from attribution.models.mix_design import Experiment
from attribution.models.response import Curves

SEEN = np.arange(WEEKS) >= 8
_SEED = 20_260_102


def learned(lived: World, tests: int = 0) -> tuple[np.ndarray, Curves, float]:
    """Draws of what each channel brought in the weeks seen, its curves, and processor seconds.

    `tests` is how many channels' tests are heard.
    """
    heard = []
    for test in lived.tests:
        if test.channel < tests:
            weight = np.zeros(WEEKS)
            weight[test.first : test.last + 1] = 1.0
            heard.append(Experiment(test.channel, weight, test.increment, test.standard_error))
    counted = lived.conversions[None]
    began = time.process_time()
    courses, (drawn,) = fitted(counted, lived.spend, NAMES, SEEN, [heard], _SEED)
    seconds = time.process_time() - began
    mean = float(counted[0, SEEN].mean())
    curves = Curves(*curves_of(courses, drawn, mean))
    return brought_of(courses, drawn, mean, SEEN), curves, seconds


def told(name: str, rows: list[tuple[np.ndarray, ...]], seconds: list[float]) -> None:
    """One line: error, its worst and best world, coverage and time."""
    errors = np.array([np.abs(middle - true) / true for middle, _, _, true in rows])
    held = np.array([(low <= true) & (true <= high) for _, low, high, true in rows])
    worlds = np.median(errors, axis=1)
    print(
        f"{name:34} error {np.median(worlds):.2f} ({worlds.min():.2f} to {worlds.max():.2f}),"
        f" all channels {np.median(errors):.2f}; 90% intervals hold {held.mean():.0%};"
        f" {np.mean(seconds):.2f} processor seconds a world"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=10)
    parser.add_argument("--first", type=int, default=100)
    parser.add_argument("--peer", type=Path, action="append", default=[])
    asked = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    seeds = range(asked.first, asked.first + asked.worlds)
    for tests, error in ((0, 0.12), (3, 0.12), (8, 0.12), (8, 0.25)):
        rows, seconds = [], []
        for seed in seeds:
            lived = world(seed, error=error)
            brought, _, took = learned(lived, tests)
            low, high = np.quantile(brought, [0.05, 0.95], axis=0)
            rows.append((brought.mean(axis=0), low, high, lived.brought[:, SEEN].sum(axis=1)))
            seconds.append(took)
        name = f"{tests} channels tested, each to {error:.0%}" if tests else "without tests"
        told(name, rows, seconds)
    for path in asked.peer:
        rows, seconds = [], []
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("{"):
                said = json.loads(line)
                true = world(said["seed"]).brought.sum(axis=1)
                ends = (np.array(said[name]) for name in ("brought", "low", "high"))
                rows.append((*ends, true))
                seconds.append(said["seconds"])
        told(path.stem, rows, seconds)


if __name__ == "__main__":
    main()
