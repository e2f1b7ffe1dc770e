"""How near the mix model comes to a known truth, and how often its 90% intervals hold it.

    python -m benchmarks.mix                                   ten worlds, with and without tests
    python -m benchmarks.mix --peer var/peer.json              beside what mix_peer.py wrote of them
    python -m benchmarks.mix --first 200 --worlds 20           the worlds it was tuned on
    python -m benchmarks.mix --curve                           the error with ever more tests
    python -m benchmarks.mix --curve --told             the same, true courses told

The return on a channel's money is what it brought over what it cost, so its error is the error of
what it brought, as a part of the truth. A world's figure is the median of its eight channels.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

from attribution.models.estimate import ends_of_draws
from attribution.models.mix import brought_of, curves_of, fitted
from attribution.models.mix_design import Courses, Experiment
from attribution.models.response import Curves
from benchmarks.mix_worlds import CHANNELS, NAMES, WEEKS, World, world

SEEN = np.arange(WEEKS) >= 8
_SEED = 20_260_102
TESTED = (0, 1, 2, 3, 5, CHANNELS)
# Which channels' tests are heard, and to which part of what they bring each is sure.
ASKED: tuple[tuple[str, Callable[[World], Collection[int]], float], ...] = (
    ("without tests", lambda _: (), 0.12),
    ("3 channels, any, to 12%", lambda _: range(3), 0.12),
    ("3 channels, the least known, to 12%", lambda lived: least_known(lived, 3), 0.12),
    ("8 channels, to 12%", lambda _: range(8), 0.12),
    ("8 channels, to 25%", lambda _: range(8), 0.25),
)


def learned(
    lived: World, tests: Collection[int] = (), courses: Courses | None = None
) -> tuple[np.ndarray, Curves, float]:
    """Draws of what each channel brought in the weeks seen, its curves, and processor seconds.

    `tests` are the channels whose tests are heard; with `courses` it need not learn those.
    """
    heard = []
    for test in lived.tests:
        if test.channel in tests:
            weight = np.zeros(WEEKS)
            weight[test.first : test.last + 1] = 1.0
            heard.append(Experiment(test.channel, weight, test.increment, test.standard_error))
    counted = lived.conversions[None]
    began = time.process_time()
    courses, (drawn,) = fitted(counted, lived.spend, NAMES, SEEN, [heard], _SEED, courses=courses)
    seconds = time.process_time() - began
    mean = float(counted[0, SEEN].mean())
    curves = Curves(*curves_of(courses, drawn, mean))
    return brought_of(courses, drawn, mean, SEEN), curves, seconds


def least_known(lived: World, number: int) -> set[int]:
    """So many channels of the widest intervals without a test: those worth testing first."""
    low, high = ends_of_draws(learned(lived)[0])
    return set(np.argsort(low - high)[:number].tolist())


def true_courses(lived: World) -> Courses:
    """What carry-over and saturation truly made of each channel's spend: one setting, as it was."""
    raw = lived.brought[:, None, :]
    ones = np.ones((CHANNELS, 1))
    return Courses(np.zeros(1), ones, raw, raw[:, :, SEEN].mean(axis=2), np.zeros((CHANNELS, 1)))


def curve(seeds: range, *, given: bool) -> None:
    """A line for each number of tests: of the least known by what they bring, and by their return.

    Least known is the widest interval, as it is or beside the estimate. `given` are true courses.
    """
    found: dict[tuple[str, int], list[tuple[np.ndarray, ...]]] = {}
    seconds: dict[tuple[str, int], list[float]] = {}
    for seed in seeds:
        lived = world(seed)
        courses = true_courses(lived) if given else None
        true = lived.brought[:, SEEN].sum(axis=1)
        alone, _, took = learned(lived, courses=courses)
        low, high = ends_of_draws(alone)
        for name, width in (("", high - low), (" beside it", (high - low) / alone.mean(axis=0))):
            for number in TESTED:
                if name and number in (0, CHANNELS):
                    continue  # the same either way
                asked = np.argsort(-width)[:number]
                brought = alone
                if number:
                    brought, _, took = learned(lived, set(asked.tolist()), courses)
                seconds.setdefault((name, number), []).append(took)
                ends = ends_of_draws(brought)
                tested = np.isin(np.arange(CHANNELS), asked)
                row = (brought.mean(axis=0), *ends, true, tested)
                found.setdefault((name, number), []).append(row)
    before = _error(found["", 0])
    for (name, number), rows in found.items():
        every = seconds[name, number]
        told(f"{number} tests, widest interval{name}", [row[:4] for row in rows], every)
        off = np.abs(np.array([middle / true for middle, _, _, true, _ in rows]) - 1)
        tested = np.array([row[4] for row in rows])
        parts = [f"{np.median(off[one]):.2f}" if one.any() else "-" for one in (tested, ~tested)]
        less = 1 - _error(rows) / before
        print(f"    {less:.0%} less; channels tested {parts[0]}, not tested {parts[1]}", flush=True)


def _error(rows: list[tuple[np.ndarray, ...]]) -> float:
    """The median world's."""
    return float(np.median([np.median(np.abs(row[0] - row[3]) / row[3]) for row in rows]))


def told(name: str, rows: list[tuple[np.ndarray, ...]], seconds: list[float]) -> None:
    """One line: error, its worst and best world, coverage and time."""
    errors = np.array([np.abs(middle - true) / true for middle, _, _, true in rows])
    held = np.array([(low <= true) & (true <= high) for _, low, high, true in rows])
    worlds = np.median(errors, axis=1)
    print(
        f"{name:36} error {np.median(worlds):.2f} ({worlds.min():.2f} to {worlds.max():.2f}),"
        f" all channels {np.median(errors):.2f}; 90% intervals hold {held.mean():.0%};"
        f" {np.mean(seconds):.2f} processor seconds a world"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=10)
    parser.add_argument("--first", type=int, default=100)
    parser.add_argument("--peer", type=Path, action="append", default=[])
    parser.add_argument("--curve", action="store_true", help="with ever more tests")
    parser.add_argument("--told", action="store_true", help="of the curve: true courses are told")
    asked = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    seeds = range(asked.first, asked.first + asked.worlds)
    if asked.curve:
        curve(seeds, given=asked.told)
        return
    for name, tests, error in ASKED:
        rows, seconds = [], []
        for seed in seeds:
            lived = world(seed, error=error)
            brought, _, took = learned(lived, tests(lived))
            low, high = ends_of_draws(brought)
            rows.append((brought.mean(axis=0), low, high, lived.brought[:, SEEN].sum(axis=1)))
            seconds.append(took)
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
