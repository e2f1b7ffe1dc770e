"""How fresh the published generation is: what the chip on every page and `/healthz` say."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from time import monotonic
from typing import Literal

import pandas as pd

from attribution import queries
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
    stale_since: datetime | None = None

    @property
    def headline(self) -> str:
        """What the chip says."""
        if self.state == "failed":
            return f"{formats.several(self.failed)}: last refresh failed"
        if self.state == "stale":
            return f"Stale since {formats.day(self.stale_since)}"
        if self.state == "empty":
            return "Nothing published yet"
        return "Fresh" if self.published_at is None else f"Fresh, {formats.day(self.published_at)}"

    @property
    def detail(self) -> str:
        """What the chip says when asked for more."""
        when = "" if self.published_at is None else f" of {formats.instant(self.published_at)}"
        parts = [f"Generation {self.generation}{when}."]
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
    published = queries.published_at(home, generation)
    sources = queries.sources(home)
    failed: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    oldest = None if published is None else published.to_pydatetime()
    if len(sources):
        failed = tuple(sources.loc[sources["state"] == "failed", "source"])
        success = pd.to_datetime(sources["last_success_at"], utc=True)
        late = success < now - STALE_AFTER
        stale = tuple(sources.loc[late, "source"])
        if late.any():
            oldest = success[late].min().to_pydatetime()
    if published is not None and not stale and published < now - STALE_AFTER:
        stale = ("the whole refresh",)
    state: State = "failed" if failed else "stale" if stale else "fresh"
    at = None if published is None else published.to_pydatetime()
    return Freshness(state, generation, at, failed, stale, oldest if stale else None)
