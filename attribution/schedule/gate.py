"""The freshness gate: whether a report may leave, must wait, or leaves with a banner.

What is late is waited for until the deadline and then said on the report. What is wrong is never
sent: there is no banner for numbers that do not add up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

Says = Literal["send", "hold", "fail"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is published, as the ledger knows it.

    `loaded` has, for each source, when what is published was read from it (None: never). `refresh`
    says what the last refresh failed with, "" where it did not.
    """

    generation: int | None = None
    published_at: datetime | None = None
    loaded: Mapping[str, datetime | None] = field(default_factory=dict)
    refresh: str = ""
    running: bool = False
    fits: bool = True  # this version's reports can be made of it
    rolled_back: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done with a report now; `late` is what a banner says and who is late."""

    says: Says
    reason: str = ""
    late: tuple[str, ...] = ()

    def banner(self, *, by_hand: bool) -> str:
        """What stands at the top of a report that leaves though something is late."""
        if not self.late:
            return ""
        when = "by hand" if by_hand else "at its deadline"
        return f"Sent {when} with data that are late: {self.reason}"


def judge(
    facts: Facts, due: datetime, now: datetime, deadline: datetime, ages: Mapping[str, timedelta]
) -> Verdict:
    """Whether a report may leave at `now`.

    `due` is when the refresh that it waits for was due: of every source that `ages` says nothing
    else of, nothing older may be told unmarked.
    """
    over = now >= deadline
    if facts.generation is None:
        return Verdict("fail" if over else "hold", "Nothing is published yet.", ("everything",))
    if not facts.fits:
        sentence = "What is published was built by another version of caretrace."
        return Verdict("fail" if over else "hold", sentence, ("everything",))
    late = late_sources(facts, due, now, ages)
    reason = sentence_of(facts, late)
    if not reason:
        return Verdict("send")
    if over:
        return Verdict("send", reason, late or ("everything",))
    # A refresh that is at work may be about to bring all that is late.
    waits = " A refresh is running." if facts.running else ""
    return Verdict("hold", f"{reason}{waits}", late or ("everything",))


def late_sources(
    facts: Facts, due: datetime, now: datetime, ages: Mapping[str, timedelta]
) -> tuple[str, ...]:
    """The sources whose published data are older than they may be, by name."""
    found = []
    for source, at in sorted(facts.loaded.items()):
        since = now - ages[source] if source in ages else due
        if at is None or at < since:
            found.append(source)
    return tuple(found)


def sentence_of(facts: Facts, late: tuple[str, ...]) -> str:
    """What is late and what is known of it; "" where nothing is.

    A generation that somebody went back to is late as a whole: they had a reason.
    """
    parts = [f"{source} {_since(facts.loaded[source])}." for source in late]
    if facts.rolled_back:
        parts.append(f"Somebody went back to generation {facts.generation}.")
    if not facts.loaded and facts.published_at is None:
        parts.append("Nobody knows when this generation was made.")
    if parts and facts.refresh:
        parts.append(facts.refresh)
    return " ".join(parts)


def _since(at: datetime | None) -> str:
    return "was never loaded" if at is None else f"was last loaded on {at:%-d %B %Y, %H:%M} UTC"
