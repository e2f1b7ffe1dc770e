"""Random draws that depend only on who, when and what for.

Each draw is a hash of seed, person, stream and step (splitmix64's finaliser). So switching a
channel off changes nothing but what that channel causes: everyone else draws the same numbers.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_WORD = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_STREAM = 0xD1B54A32D192ED03
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


class Draws:
    """Uniform numbers for a fixed list of people (or campaigns, or days)."""

    def __init__(self, seed: int, ids: Ints) -> None:
        start = np.uint64((seed * _STREAM + _GOLDEN) & _WORD)
        self._keys = _mixed(ids.astype(np.uint64) * np.uint64(_GOLDEN) + start)

    def uniform(self, stream: int, step: int | Ints = 0, at: Any = None) -> Floats:
        """One number in (0, 1) for each person, or for those `at` the given positions.

        `step` is a week or another counter; an array gives each person their own.
        """
        keys = self._keys if at is None else self._keys[at]
        shift = (stream * _STREAM) & _WORD
        offset: Any
        if isinstance(step, np.ndarray):
            offset = (step + 1).astype(np.uint64) * np.uint64(_GOLDEN) + np.uint64(shift)
        else:
            offset = np.uint64((shift + (int(step) + 1) * _GOLDEN) & _WORD)
        return ((_mixed(keys + offset) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53

    def exponential(self, stream: int, step: int | Ints = 0, at: Any = None) -> Floats:
        """Waiting times with mean 1."""
        waits: Floats = -np.log1p(-self.uniform(stream, step, at))
        return waits

    def normal(self, stream: int, step: int | Ints = 0, at: Any = None) -> Floats:
        """Standard normal numbers."""
        values: Floats = ndtri(self.uniform(stream, step, at))
        return values


def pick(uniform: Floats, shares: Any) -> Ints:
    """Turn uniform numbers into positions that occur with the given shares."""
    edges = np.cumsum(np.asarray(shares, dtype=np.float64))
    chosen: Ints = np.searchsorted(edges / edges[-1], uniform).astype(np.int64)
    return chosen


def _mixed(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))
