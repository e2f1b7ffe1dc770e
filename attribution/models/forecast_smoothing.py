"""Exponential smoothing with additive errors, with or without a damped trend: ETS(A,N,N), (A,Ad,N).

Hyndman, Koehler, Ord and Snyder, *Forecasting with Exponential Smoothing* (2008). The level and the
slope at the start are those of a line through the first ten weeks. The weights are searched on a
grid, all at once: a week of all of them is a few array operations, so that a fit takes two
milliseconds where an optimiser that asks for one after another takes seventy, for the same answer
(`tests/test_forecast.py` compares it with `statsmodels`). There is no season: it would need many
years.
"""

from dataclasses import dataclass

import numpy as np

from attribution.models.forecast_series import Floats

_FIRST = 10  # weeks from which the state at the start is taken
_LEVELS = np.concatenate([[1e-4, 0.005, 0.01, 0.02], np.linspace(0.03, 0.6, 39), [0.65, 0.7],
                          [0.75, 0.8, 0.85, 0.9, 0.95, 0.9999]])  # fmt: skip
_TRENDED = (1e-4, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 0.9999)
_SLOPES = (1e-4, 0.01, 0.03, 0.07, 0.15, 0.3, 0.5, 0.75, 0.9999)  # of the change of the level
_KEPT = (0.8, 0.85, 0.9, 0.94, 0.98)  # of the slope, a week later
# What each kind has to be told: weights, the slope's damping, the size of errors, and its start.
_TOLD = (3, 5)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Every setting that is tried; without a trend slope and damping are nought."""

    level: Floats
    slope: Floats
    kept: Floats
    told: Floats


def _grid() -> _Grid:
    flat = [(level, 0.0, 0.0, _TOLD[0]) for level in _LEVELS]
    trended = [
        (level, slope, kept, _TOLD[1]) for level in _TRENDED for slope in _SLOPES for kept in _KEPT
    ]
    return _Grid(*np.array(flat + trended).T)


_EVERY = _grid()


def smoothed(values: Floats, horizon: int) -> Floats:
    """What the setting with the smallest corrected information criterion foretells.

    `values` are at least ten weeks, oldest first.
    """
    weeks = np.arange(1, _FIRST + 1)
    step, start = np.polyfit(weeks, values[:_FIRST], 1)
    every = _EVERY
    level = np.full(len(every.level), start)
    slope = np.where(every.kept > 0, step, 0.0)
    squares = np.zeros_like(level)
    for value in values:
        said = level + every.kept * slope
        missed = value - said
        squares += missed * missed
        moved = every.level * missed
        # The change of the level is what the slope would have made of it, and this move.
        slope = every.kept * slope + every.slope * moved
        level = said + moved
    best = int(np.argmin(_criterion(squares, every.told, len(values))))
    ahead = np.cumsum(every.kept[best] ** np.arange(1, horizon + 1))
    return np.asarray(level[best] + slope[best] * ahead)


def _criterion(squares: Floats, told: Floats, weeks: int) -> Floats:
    """AICc of normal errors."""
    size = weeks * np.log(np.maximum(squares, 1e-12) / weeks)
    return np.asarray(size + 2 * told + 2 * told * (told + 1) / np.maximum(weeks - told - 1, 1))
