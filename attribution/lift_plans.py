"""What lift tests are: what is asked for, the plan that is registered, what a proposal shows."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import numpy as np

from attribution.metrics import KINDS
from attribution.models.incremental_design import Floats
from attribution.models.lift_panel import Market

Design = Literal["markets", "switchback"]
Action = Literal["off", "on"]
COUNTED = tuple(kind for kind in KINDS if kind != "collected")


@dataclass(frozen=True, slots=True)
class Request:
    """What a test should find out, and how. Days are Mondays.

    `weeks` are those that are counted, after `washout` weeks in which earlier ads fade. With
    `later`, half of the treated markets begin so many weeks after the first. `wanted` is the
    smallest effect worth knowing of, as a part of what is counted. A switchback has `pairs` of
    blocks of `block` weeks, one of each pair off.
    """

    channel: str
    kind: str = "kept"
    design: Design = "markets"
    action: Action = "off"
    by_line: bool = False
    treated: int | None = None
    chosen: tuple[Market, ...] = ()
    left_out: tuple[Market, ...] = ()
    first_day: date | None = None
    weeks: int = 8
    washout: int = 2
    later: int = 0
    block: int = 4
    pairs: int = 6
    wanted: float = 0.1
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What is registered: who is treated when, who never is, how it will be told, what it can tell.

    `starts` are the first days of the treated markets, in their order; `blocks` are a switchback's,
    true where the channel is off. `detectable` is the smallest effect that is told four times in
    five, as a part of what is counted; `money` is what is not spent, or is, for the test.
    """

    design: Design
    channel: str
    kind: str
    action: Action
    by_line: bool
    treated: tuple[Market, ...]
    starts: tuple[str, ...]
    controls: tuple[Market, ...]
    weeks: int
    washout: int
    blocks: tuple[bool, ...]
    block: int
    method: str
    wanted: float
    detectable: float
    power: float
    money: float
    seed: int

    @property
    def first_day(self) -> date:
        return date.fromisoformat(min(self.starts))

    @property
    def last_day(self) -> date:
        """The last day that counts."""
        weeks = self.washout + self.weeks
        if self.design == "switchback":
            weeks = len(self.blocks) * self.block
        return self.first_day + timedelta(weeks=weeks, days=-1)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan with what its page shows: power, lengths, how well the courses fitted, warnings.

    `fit` is of weeks before: their Mondays, what the treated counted, and what the others told of
    it. `believed` is the part that the mix model thinks the channel brings, with its 90% ends.
    """

    plan: Plan
    effects: tuple[float, ...]
    powers: tuple[float, ...]
    lengths: tuple[tuple[int, float], ...]
    fit: tuple[tuple[str, ...], tuple[float, ...], tuple[float, ...]]
    markets: tuple[tuple[Market, str, float, float], ...]  # arm, counted and money a week
    warnings: tuple[str, ...]
    believed: tuple[float, float, float] | None


def monday_after(day: date) -> date:
    """The first Monday after a day."""
    return day + timedelta(days=7 - day.weekday())


def named(market: Market) -> str:
    """A market in words, as it is typed: north, or north/dental."""
    return "/".join(part for part in market if part)


def told_course(counts: Floats, places: list[int], rest: list[int]) -> Floats:
    """What the switched markets count a week, with what moves the others too taken out."""
    course: Floats = counts[places].sum(axis=0)
    if rest:
        others = counts[rest].sum(axis=0)
        course = course / np.maximum(others / max(float(others.mean()), 1e-9), 0.1)
    return course


def market_of(text: str) -> Market:
    """The market of such words."""
    location, _, line = text.partition("/")
    return location.strip(), line.strip()
