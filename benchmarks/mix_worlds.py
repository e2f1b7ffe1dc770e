"""Simulated weekly worlds of which the truth is known: what each channel brought, and its curve.

156 weeks and 8 channels. Demand has a trend, a season and shocks that last for weeks. Some budgets
follow demand, some come in flights, some are steady. Each channel carries over and saturates by a
law of its own: Hill, logistic, logarithm or square root, none of which the model is told.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WEEKS, CHANNELS = 156, 8
NAMES = (
    *("paid_search", "paid_social", "video", "display", "offline_media", "direct_mail"),
    *("directory", "event"),
)
_BEFORE = 52  # weeks lived before the first that is seen
CURVES: dict[str, Callable[[Floats], Floats]] = {
    "hill": lambda x: x**1.2 / (1 + x**1.2),
    "half": lambda x: x / (1 + x),
    "logistic": lambda x: np.tanh(x / 2),
    "log": lambda x: np.log1p(x) / 2,
    "root": lambda x: np.sqrt(x) / 2,
}


@dataclass(frozen=True)
class Test:
    """A lift test: what a channel brought from one week to another, with chance's error."""

    channel: int
    first: int
    last: int  # included
    increment: float
    standard_error: float


@dataclass(frozen=True)
class World:
    """What is seen, and what is true."""

    spend: Floats  # channel x week
    conversions: Floats  # week
    brought: Floats  # channel x week: the truth
    tests: tuple[Test, ...]
    kept: Floats
    scale: Floats  # spend at which a curve's argument is 1
    top: Floats  # conversions a week at a curve's value of 1
    curves: tuple[str, ...]

    def weekly(self, spend: Floats) -> float:
        """Conversions a week that channels truly bring at steady spend."""
        return float(sum(self.one(c, spend[c]) for c in range(len(spend))))

    def one(self, channel: int, spend: float) -> float:
        curve = CURVES[self.curves[channel]]
        return float(self.top[channel] * curve(np.array(spend / self.scale[channel])))


def world(seed: int, tests: int = 1, error: float = 0.12) -> World:
    """A world of a seed; `tests` of eight weeks a channel, of that relative standard error."""
    rng = np.random.default_rng([seed, 77])
    weeks = WEEKS + _BEFORE
    at = np.arange(weeks)
    season = sum(
        rng.normal(0, 0.10 / k) * np.sin(2 * np.pi * k * at / 52.18 + rng.uniform(0, 2 * np.pi))
        for k in (1, 2, 3)
    )
    trend = rng.normal(0, 0.15) * (at - weeks / 2) / weeks
    trend = trend + rng.normal(0, 0.04) * np.sin(np.pi * at / weeks * rng.uniform(1, 3))
    shocks = _lasting(rng.normal(0, 0.03, weeks), 0.6)
    demand = 1 + season + trend + shocks
    usual = np.exp(rng.normal(0, 0.9, CHANNELS)) * 10_000
    spend = np.stack([_spending(rng, usual[c], demand, at) for c in range(CHANNELS)])
    kept = rng.uniform(0.0, 0.85, CHANNELS)
    carried = np.stack([_lasting(spend[c] * (1 - kept[c]), kept[c]) for c in range(CHANNELS)])
    scale = usual * np.exp(rng.normal(0.3, 0.7, CHANNELS))
    curves = tuple(str(name) for name in rng.choice(list(CURVES), CHANNELS))
    shape = np.stack([CURVES[curves[c]](carried[c] / scale[c]) for c in range(CHANNELS)])
    level = float(np.exp(rng.normal(np.log(2_000), 0.5)))
    share = rng.uniform(0.25, 0.55)
    return_of = np.exp(rng.normal(0, 0.6, CHANNELS))
    parts = return_of * usual**0.75
    parts = parts / parts.sum() * share / (1 - share) * level
    top = parts / shape.mean(axis=1)
    brought = top[:, None] * shape
    noise = rng.normal(0, rng.uniform(0.02, 0.05), weeks) * level
    conversions = np.maximum(level * demand + brought.sum(axis=0) + noise, 0)
    seen = slice(_BEFORE, weeks)
    brought = brought[:, seen]
    found = []
    for channel in range(CHANNELS):
        for _ in range(tests):
            first = int(rng.integers(20, WEEKS - 8))
            true = float(brought[channel, first : first + 8].sum())
            typical = float(brought[channel].mean()) * 8
            sure = error * typical
            found.append(Test(channel, first, first + 7, true + rng.normal(0, sure), sure))
    return World(
        spend[:, seen],
        np.round(conversions[seen]),
        brought,
        tuple(found),
        kept,
        scale,
        top,
        curves,
    )


def _spending(rng: np.random.Generator, usual: float, demand: Floats, at: Floats) -> Floats:
    weeks = len(at)
    wobble = np.exp(_lasting(rng.normal(0, 0.25, weeks), rng.uniform(0, 0.7)))
    spent = usual * wobble
    style = rng.choice(["steady", "follows", "flights", "season"])
    if style == "follows":
        spent = spent * demand ** rng.uniform(1, 3)
    elif style == "flights":
        length, gap = int(rng.integers(4, 10)), int(rng.integers(2, 8))
        spent = spent * (((at + rng.integers(0, 12)) % (length + gap)) < length)
    elif style == "season":
        wave = np.sin(2 * np.pi * at / 52.18 + rng.uniform(0, 2 * np.pi))
        spent = spent * (1 + 0.5 * wave)
    for _ in range(int(rng.integers(1, 4))):  # budgets are decided anew now and then
        begins = int(rng.integers(0, weeks))
        spent[begins:] = spent[begins:] * np.exp(rng.normal(0, 0.3))
    return np.round(spent, 2)


def _lasting(course: Floats, kept: float) -> Floats:
    left, level = np.empty_like(course), 0.0
    for week, now in enumerate(course):
        level = kept * level + now
        left[week] = level
    return left
