"""Switchback tests: a channel on and off by turns, and what the weeks on bring over those off.

Blocks come in pairs, and chance says which of each pair is off; so a trend or a season moves both
alike. The first weeks of a block are washed out: ads of the block before still work in them.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from attribution.models.incremental_design import Bools, Floats
from attribution.models.lift_placebo import LEVEL
from attribution.models.quantiles import student

FEWEST_PAIRS = 4
_EXACT = 12  # pairs up to which every way that chance could have fallen is looked at
_SHUFFLES = 4000


@dataclass(frozen=True, slots=True)
class Switched:
    """What a week on brings over a week off, as a part of a week on; of pairs of blocks."""

    effect: float
    low: float
    high: float
    error: float
    chance: float  # of so large a difference where the channel does nothing
    pairs: Floats
    freedom: int


def drawn(pairs: int, seed: int) -> tuple[bool, ...]:
    """Which blocks are off: of each pair one, by chance."""
    first = np.random.default_rng([seed, 23]).random(pairs) < 0.5
    return tuple(bool(off) for one in first for off in (one, not one))


def weeks_off(blocks: tuple[bool, ...], length: int) -> Bools:
    """Whether each week of the test is off."""
    return np.repeat(np.array(blocks, dtype=bool), length)


def counted_weeks(blocks: tuple[bool, ...], length: int, washout: int) -> Bools:
    """Whether each week counts: not the first of a block, into which the one before reaches."""
    counts: Bools = np.tile(np.arange(length) >= washout, len(blocks))
    return counts


def switched(
    course: Floats, blocks: tuple[bool, ...], length: int, washout: int, level: float = LEVEL
) -> Switched:
    """The effect from the test's weeks (`course`, one number a week).

    The mean over pairs of (on - off) / mean of both, and Student's interval of pairs; `chance` is
    by every way in which the pairs could have been drawn.
    """
    means = course.reshape(len(blocks), length)[:, washout:].mean(axis=1)
    off = np.array(blocks).reshape(-1, 2)
    both = means.reshape(-1, 2)
    difference = np.where(off[:, 0], both[:, 1] - both[:, 0], both[:, 0] - both[:, 1])
    pairs = difference / np.maximum(both.mean(axis=1), 1e-9)
    count = len(pairs)
    mean, error = float(pairs.mean()), float(pairs.std(ddof=1)) / sqrt(count)
    reach = student(0.5 + level / 2, count - 1) * error
    # A part of the mean of both becomes a part of a week on: d / (1 + d / 2).
    ends = [value / (1 + value / 2) for value in (mean, mean - reach, mean + reach)]
    return Switched(ends[0], ends[1], ends[2], error, _chance(pairs), pairs, count - 1)


def _chance(pairs: Floats) -> float:
    count = len(pairs)
    if count <= _EXACT:
        ways = np.array(np.meshgrid(*[[-1.0, 1.0]] * count)).reshape(count, -1)
    else:
        ways = np.random.default_rng(29).choice([-1.0, 1.0], (count, _SHUFFLES))
    found = np.abs(pairs @ ways)
    return float((found >= abs(pairs.sum()) - 1e-12).mean())


def errors_before(
    course: Floats, blocks: tuple[bool, ...], length: int, washout: int, seed: int
) -> Floats:
    """What the same test finds in the weeks before, where nothing was switched."""
    whole = len(blocks) * length
    rng = np.random.default_rng([seed, 31])
    found = []
    for start in range(len(course) - whole + 1):
        part = course[start : start + whole]
        for _ in range(4):
            ways = drawn(len(blocks) // 2, int(rng.integers(1 << 30)))
            found.append(switched(part, ways, length, washout).effect)
    return np.array(found)


def detectable(errors: Floats, pairs: int, power: float = 0.8, level: float = LEVEL) -> float:
    """The smallest effect that is told so often, from errors where nothing was switched."""
    freedom = pairs - 1
    reach = student(0.5 + level / 2, freedom) + student(power, freedom)
    return reach * sqrt(float((errors**2).mean()))
