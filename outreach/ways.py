"""Ways out: what every way that a message can go has in common.

A way is handed some letters and tells the fate of each. It says `in_doubt` where nobody here can
know whether a letter went, and is asked later, with `settled`, what the other side shows of it:
nothing is handed over again on a guess.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from attribution.errors import CaretraceError
from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceError,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.patience import Explain, Passing, Patience
from outreach.letters import Letter
from outreach.outbox import Outbox

T = TypeVar("T")
PATIENCE = Patience(
    attempts=4, socket_seconds=30, call_seconds=60, total_seconds=180, longest_wait=60
)


class CannotSend(CaretraceError):
    """The other side takes nothing now, and took nothing: what waits stays where it is."""


class Unanswered(CannotSend):
    """The other side may have taken what was handed over last, and takes no more now."""


class Throttled(Exception):
    """The other side took nothing and asks to be left alone for `after` seconds, if it said so."""

    def __init__(self, after: float | None) -> None:
        super().__init__(after)
        self.after = after


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a letter: sent, deferred, failed or in_doubt.

    `suppress` says why its address is left alone from now on: `bounced` or `opted_out`.
    """

    state: str
    reason: str = ""
    suppress: str = ""
    receipt: str = ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A letter of which nobody knows whether it went: when it was being sent, and where to."""

    key: str
    at: datetime
    mark: str
    to: str = field(default="", repr=False)  # "" where it is not known any more
    record: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Given:
    """Somebody whom another system was told of: their number there, and what it called it."""

    key: str
    record: str = field(repr=False)  # "" where it is not known any more
    receipt: str = ""


class Way(Protocol):
    """One way out, open for the length of a sending."""

    at_once: int  # letters that are handed over together

    def ready(self) -> None:
        """Be connected, and wait for our turn; nothing of a letter leaves before this returns."""

    def lay_out(self, letters: Sequence[Letter]) -> None:
        """Prepare what is handed over next, so that a kill before that can be told.

        Nothing of it leaves; none takes back what was prepared.
        """

    def hand_over(self, letters: Sequence[Letter]) -> list[Fate]:
        """Hand some letters over; raises CannotSend, Unanswered or Throttled."""

    def settled(self, doubts: Sequence[Doubt], outbox: Outbox) -> Mapping[str, Fate]:
        """What is shown of doubtful letters: `sent`, or `deferred` where it did not go.

        Nothing of those that stay in doubt.
        """

    def probe(self) -> str:
        """Ask the other side the smallest question that proves the settings, and say what it said.

        Raises CannotSend with what to do.
        """

    def close(self) -> None:
        """End the connections."""


class Recalls(Way, Protocol):
    """A way into a system that keeps what it was told, and can be asked to let go of it."""

    def take_back(self, given: Sequence[Given]) -> list[str]:
        """Take some people off; the keys of those who are on nothing there any more.

        Asking again does no harm. Raises CannotSend where the other side does not do it.
        """


class Write:
    """One write, through a client that asks again: whether any try of it may have been done.

    A try that got no whole answer may have been, whatever a later one is told.
    """

    def __init__(self, explain: Explain) -> None:
        self._explain = explain
        self._open = 0  # tries that were not refused

    def once(self, call: Callable[[], T]) -> T:
        """One try."""
        self._open += 1
        try:
            return call()
        except Exception as failure:
            said = self._explain(failure)
            error = said.error if isinstance(said, Passing) else said
            if not isinstance(error, SourceUnreachable):
                self._open -= 1
            raise

    def failed(self, cannot: CannotSend) -> CannotSend:
        """What to raise when all tries failed."""
        return Unanswered(str(cannot)) if self._open else cannot


class Pace:
    """So many a second, and no more."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second
        self._next = 0.0

    def wait(self) -> None:
        """Return when it is our turn."""
        ahead = self._next - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        self._next = max(self._next, time.monotonic()) + self._gap


def cannot(vendor: str, table: str, grant: str, error: SourceError) -> CannotSend:
    """What a vendor's failure means to those who send; it tells no word of the vendor's."""
    if isinstance(error, SourceRefused | SourceMisconfigured):
        return CannotSend(f"{vendor} refuses [outreach.{table}]: {grant} Nothing was lost.")
    if isinstance(error, SourceBusy):
        return CannotSend(f"{vendor} is busy. What waits stays in the outbox; send again later.")
    if isinstance(error, SourceChanged):
        return CannotSend(
            f"{vendor} did not understand what it was asked. Check [outreach.{table}]; what waits "
            "stays in the outbox."
        )
    return CannotSend(
        f"{vendor} gave no whole answer. What waits stays in the outbox; send again later."
    )
