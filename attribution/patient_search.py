"""Opening one person's journey: who may, for which reason, how often; all of it is written down.

What is written down is the person's number in caretrace, the reader and the stated reason; of a
search that found nobody, that there was one. Never what was typed.
"""

import math
import re
import time
from dataclasses import dataclass, field, replace
from threading import Lock

from attribution import audit, patient, people
from attribution.errors import BadInput, NotAllowed
from attribution.paths import Home
from attribution.patient import System
from attribution.people import People, Permit

REASONS = {
    "treatment": "Treatment",
    "outreach": "Outreach follow-up",
    "request": "The person asked",
    "quality": "Data quality",
    "billing": "Billing question",
}
NOT_FOUND = (
    "Nobody has this number in that system. Look at the number and at the system, and mind that "
    "zeros in front count."
)
SUBJECT = "patient journey"
MOST_SEARCHES, MOST_MISSES, WITHIN_SECONDS = 30, 8, 600.0
# With letters before the dash: what looks like a record's number has no place in the log.
_TICKET = re.compile(r"[A-Z]{2,10}-\d{1,7}")


@dataclass(frozen=True, slots=True)
class Sought:
    """Whom a reader wants to see, already hashed, and why; `ticket` may be empty."""

    system: System
    number_hash: str | None = field(repr=False)
    reason: str
    ticket: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """That a person's journey was opened, and that this was written down."""

    person: int
    reason: str
    ticket: str
    generation: int
    reader: str
    number_hash: str = field(repr=False)


def sought(home: Home, system: System, typed: str, reason: str, ticket: str = "") -> Sought:
    """What a reader typed, hashed; raises BadInput, which never says it, where it will not do."""
    if not typed.strip():
        raise BadInput("Type the number of the person you want to see.")
    if reason not in REASONS:
        raise BadInput("Choose a reason: it is written down with your name before anything shows.")
    ticket = ticket.strip().upper()
    if ticket and (not _TICKET.fullmatch(ticket) or _digits(ticket) == _digits(typed)):
        raise BadInput(
            "A ticket is letters, a dash and up to seven digits, such as CARE-1042, and never a "
            "record's number: it is written into the audit log."
        )
    return Sought(system, patient.hashed(home, system, typed), reason, ticket)


def open_journey(home: Home, generation: int, permit: Permit, asked: Sought) -> Opening | None:
    """The person whom a reader seeks, None where there is none; written down before it answers.

    Raises NotAllowed where the reader may not see people, or has searched too often.
    """
    at = people.people(home, generation, permit)
    search = SEARCHES.begin(home, permit.reader)
    number = asked.number_hash
    found = patient.find(at, number) if number else None
    if number is None or found is None:
        audit.record(
            home,
            permit.reader,
            audit.PEOPLE_SOUGHT,
            SUBJECT,
            system=asked.system.namespace,
            found=False,
            reason=asked.reason,
            ticket=asked.ticket,
        )
        return None
    search.found = True
    opening = Opening(found, asked.reason, asked.ticket, generation, permit.reader, number)
    _written(home, permit, opening)
    return opening


def looked_at(
    home: Home, generation: int, permit: Permit, opening: Opening
) -> tuple[People, Opening | None]:
    """The tables in which an opened journey may be read; None where nobody has the number now.

    Another generation or another reader is another look, and is written down as one. It is of
    whoever has the number there: when a person is split, the larger part stays the one we knew.
    """
    at = people.people(home, generation, permit)
    if (opening.generation, opening.reader) == (generation, permit.reader):
        return at, opening
    found = patient.find(at, opening.number_hash)
    if found is None:
        return at, None
    opening = replace(opening, person=found, generation=generation, reader=permit.reader)
    _written(home, permit, opening)
    return at, opening


def _written(home: Home, permit: Permit, opening: Opening) -> None:
    audit.record(
        home,
        permit.reader,
        audit.PEOPLE_SEEN,
        SUBJECT,
        person=opening.person,
        reason=opening.reason,
        ticket=opening.ticket,
        permit=permit.reason,
        generation=opening.generation,
    )


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text).lstrip("0")


@dataclass(slots=True)
class _Search:
    at: float
    found: bool = False  # until it is known, a search counts as one that found nobody


class Searches:
    """How often each reader searched lately: whoever guesses numbers is stopped.

    Counted by reader, not by page: a page loaded anew begins no new count.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._lately: dict[str, list[_Search]] = {}

    def begin(self, home: Home, reader: str) -> _Search:
        """Count a search; raises NotAllowed, and writes it down, where the reader must wait."""
        now = time.monotonic()
        with self._lock:
            self._lately = {
                name: fresh
                for name, every in self._lately.items()
                if (fresh := [each for each in every if each.at > now - WITHIN_SECONDS])
            }
            lately = self._lately.setdefault(reader, [])
            misses = [each for each in lately if not each.found]
            # The oldest of each kind of which there are too many must be long enough ago.
            first = [
                every[0].at
                for every, most in ((misses, MOST_MISSES), (lately, MOST_SEARCHES))
                if len(every) >= most
            ]
            if not first:
                lately.append(_Search(now))
                return lately[-1]
            minutes = max(1, math.ceil((max(first) + WITHIN_SECONDS - now) / 60))
        audit.record(home, reader, audit.DENIED, SUBJECT, reason="too many searches")
        raise NotAllowed(
            f"Too many searches: wait {minutes} minute{'' if minutes == 1 else 's'}, then search "
            "again."
        )

    def clear(self) -> None:
        """Forget every search."""
        with self._lock:
            self._lately.clear()


SEARCHES = Searches()
