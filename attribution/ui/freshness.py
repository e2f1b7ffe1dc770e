"""How fresh the published generation is: what the chip on every page and `/healthz` say."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from time import monotonic
from typing import Literal

import pandas as pd

from attribution import health_queries, queries, refresh_queries
from attribution.paths import Home
from attribution.ui import formats
from attribution.warehouse import current_generation

# A weekly refresh and a day's grace.
STALE_AFTER = timedelta(days=8)
State = Literal["fresh", "stale", "failed", "empty"]


@dataclass(frozen=True, slots=True)
class Freshness:
    """The state of the worst source, and what to say about it."""

    state: State
    generation: int | None
    published_at: datetime | None
    failed: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    data_to: date | None = None
    rolled_back: bool = False

    @property
    def headline(self) -> str:
        """What the chip says."""
        if self.state == "failed":
            return f"{formats.several(self.failed)}: last refresh failed"
        if self.state == "empty":
            return "Nothing published yet"
        parts = ["Rolled back"] if self.rolled_back else []
        parts += ["Stale"] if self.state == "stale" else []
        if self.data_to is not None:
            parts.append(f"Data to {formats.day(self.data_to)}")
        elif self.published_at is not None:
            parts.append(f"Published {formats.day(self.published_at)}")
        return " · ".join(parts) or "Published"

    @property
    def detail(self) -> str:
        """What the chip says when asked for more."""
        when = "" if self.published_at is None else f" of {formats.instant(self.published_at)}"
        parts = [f"Generation {self.generation}{when}."]
        if self.rolled_back:
            parts.append("Somebody went back to it; `caretrace refresh` makes a new one.")
        if self.data_to is not None:
            parts.append(f"Spend, web, visits and payments all reach {formats.day(self.data_to)}.")
        if self.failed:
            parts.append(
                f"{formats.several(self.failed)} could not be read: earlier data are shown. "
                "Data health says why."
            )
        if self.stale:
            parts.append(
                f"{formats.several(self.stale)} brought nothing new for over "
                f"{STALE_AFTER.days} days. Run `caretrace refresh`."
            )
        return " ".join(parts)


def freshness(home: Home) -> Freshness:
    """The freshness of what is published now, looked up at most every few seconds."""
    return _looked_up(home, current_generation(home), int(monotonic() / 5))


@lru_cache(maxsize=4)
def _looked_up(home: Home, generation: int | None, _moment: int) -> Freshness:
    return look_up(home, generation, datetime.now(UTC))


def look_up(home: Home, generation: int | None, now: datetime) -> Freshness:
    """The freshness of a generation as of `now`."""
    if generation is None:
        return Freshness("empty", None, None)
    published = refresh_queries.published_at(home, generation)
    sources = refresh_queries.sources(home)
    failed: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    data_to = health_queries.data_end(queries.marts(home, generation, protected=False), now.date())
    if len(sources):
        failed = tuple(sources.loc[sources["state"] == "failed", "source"])
        success = pd.to_datetime(sources["last_success_at"], utc=True)
        late = success < now - STALE_AFTER
        stale = tuple(sources.loc[late, "source"])
    if published is not None and not stale and published < now - STALE_AFTER:
        stale = ("The whole refresh",)
    if data_to is not None and not stale and data_to < now.date() - STALE_AFTER:
        # A source that answers with nothing new has not brought news.
        stale = ("The data",)
    state: State = "failed" if failed else "stale" if stale else "fresh"
    at = None if published is None else published.to_pydatetime()
    back = refresh_queries.rolled_back(home, generation)
    return Freshness(state, generation, at, failed, stale, data_to, back)
