"""Markets week by week, and what a test does to them: who is treated from when, and what counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.models.incremental_design import Floats, Ints

Market = tuple[str, str]  # location, and service line there; "" for all of them
Weeks = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Panel:
    """What was counted in each market in each whole week (Mondays), oldest first.

    Weeks in which markets were not as usual may be left out of those before a test.
    """

    markets: tuple[Market, ...]
    weeks: Weeks
    counts: Floats  # market x week

    def at(self, day: str) -> int:
        """The place of the week that a day lies in; it may lie before or after all weeks."""
        moment = np.datetime64(day, "D")
        nearest = max(int(np.searchsorted(self.weeks, moment, side="right")) - 1, 0)
        apart = (moment - self.weeks[nearest]) / np.timedelta64(7, "D")
        return nearest + int(np.floor(float(apart)))

    def places(self, markets: Sequence[Market]) -> Ints:
        """The rows of some markets."""
        where = {market: place for place, market in enumerate(self.markets)}
        return np.array([where[market] for market in markets], dtype=np.int64)

    def before(self, week: int) -> "Panel":
        """The same, of the weeks before one."""
        return Panel(self.markets, self.weeks[:week], self.counts[:, :week])


@dataclass(frozen=True, slots=True)
class Cohort:
    """Markets that are treated from the same week on."""

    markets: tuple[int, ...]
    start: int  # the first treated week


@dataclass(frozen=True, slots=True)
class Layout:
    """Who is treated when, who never is, and which weeks count: those from `start + washout`.

    All counting ends with the week before `end`.
    """

    cohorts: tuple[Cohort, ...]
    controls: tuple[int, ...]
    washout: int
    end: int

    @property
    def treated(self) -> tuple[int, ...]:
        return tuple(market for cohort in self.cohorts for market in cohort.markets)

    @property
    def start(self) -> int:
        return min(cohort.start for cohort in self.cohorts)

    @property
    def counted(self) -> int:
        """How many weeks of markets are counted."""
        return sum(
            len(cohort.markets) * (self.end - cohort.start - self.washout)
            for cohort in self.cohorts
        )

    def moved(self, weeks: int, order: Sequence[int]) -> "Layout":
        """The same test so many weeks earlier, where `order` says who takes whose place.

        Markets that are in no cohort of the moved test are its controls.
        """
        cohorts, taken = [], 0
        for cohort in self.cohorts:
            size = len(cohort.markets)
            mine = tuple(int(market) for market in order[taken : taken + size])
            cohorts.append(Cohort(mine, cohort.start - weeks))
            taken += size
        rest = tuple(int(market) for market in order[taken:])
        return Layout(tuple(cohorts), rest, self.washout, self.end - weeks)
