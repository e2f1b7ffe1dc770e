"""Forgetting: a person is deleted on request, from everything that is kept.

Who it is, is typed: an address, a number. It is hashed at once; what is written down anywhere is
the hash (the tombstone) and, in the audit log, the number that stood for the person.
"""

import secrets
from collections.abc import Iterable, Sequence

import numpy as np

from attribution import audit, contacts, warehouse
from attribution.errors import BadInput
from attribution.kept_books import Books
from attribution.keys import keyring
from attribution.lock import only_one
from attribution.paths import Home
from attribution.payloads import Payloads
from attribution.settings import Settings
from attribution.tombstones import SHARED, Forgotten, bury, erased, forgotten
from attribution.vault import open_vault
from attribution.whom_to_forget import Asked, Found, find, naming_payloads
from outreach.forgetting import forget as forget_messages

# A reason in words of one's own could name somebody.
REASONS = ("request", "consent", "error", "law")


def forget(
    settings: Settings, lines: Sequence[Asked], reason: str, *, here_only: bool = False
) -> Found:
    """Decide that these people are forgotten; the next build of a generation takes them away.

    Before that they are taken off lists, campaigns and tasks that outreach put them on, as nobody
    can say afterwards who it was; right after it outreach knows no address of theirs any more.
    Raises BadInput, and forgets nobody, where a system cannot be told, unless it is meant
    `here_only`.
    """
    home = settings.home
    with only_one(home):
        found = find(settings, lines)
        if not found.people:
            return found
        if not here_only:
            _leave_others(settings, found)
        for person in found.people:
            audit.record(
                home, audit.operator(), audit.FORGOTTEN, "a person", person=person, reason=reason
            )
        with open_vault(home) as vault:
            out = (*found.records, *((SHARED, each) for each in found.shared))
            bury(vault, secrets.token_hex(8), found.identifiers, out, found.people)
        silence(home)
    return found


def silence(home: Home) -> None:
    """Let nothing more leave to those who were forgotten, before what is left of them is gone.

    What is published knows them until the next one is; without an address nobody is written to.
    Outreach asks for it before it begins, so that a kill right after the decision changes nothing.
    """
    if (buried := _buried(home)).pending:
        _leave_outreach(home, buried)


def _leave_outreach(home: Home, buried: Forgotten) -> None:
    contacts.forget(home, buried.people)
    forget_messages(home, buried.numbers, buried.people)


def _leave_others(settings: Settings, found: Found) -> None:
    """Take people off wherever outreach put them; raises BadInput where they are still there."""
    home = settings.home
    if not home.outreach.is_file():
        return
    # Imported late: most installations hand nobody to a CRM.
    from attribution.outreach_settings import outreach_settings
    from outreach.taking_back import take_back_the_forgotten

    taken = take_back_the_forgotten(home, outreach_settings(home), found.people, found.identifiers)
    if taken.left:
        raise BadInput(
            f"Nobody was forgotten: a CRM still has them on a list, in a campaign or as a task. "
            f"{taken.why} Then say it again; or look them up there yourself and say --here-only."
        )


def unfinished(home: Home) -> bool:
    """Whether somebody was forgotten of whom something may still be stored."""
    return _buried(home).pending


def leaving(home: Home) -> frozenset[int]:
    """The numbers of people who were forgotten and whom what is published may still know."""
    return frozenset(_buried(home).numbers)


def _buried(home: Home) -> Forgotten:
    if not (home.vault.exists() and home.writable):
        return Forgotten()
    with open_vault(home) as vault:
        return forgotten(vault)


def finish(settings: Settings, generation: int) -> None:
    """Take away what a generation without the forgotten does not: earlier ones, payloads, books.

    What was decided and could not be finished then is finished now.
    """
    home = settings.home
    with open_vault(home) as vault:
        buried = forgotten(vault)
        if not buried.pending:
            return
        warehouse.drop_others(home, generation)
        ring = keyring(home)
        Payloads(home, ring.payloads).remove(
            naming_payloads(settings, ring, frozenset(buried.people))
        )
        with Books(home) as books:
            books.remove_mentions(buried.numbers)
        _leave_outreach(home, buried)  # what was planned before it was decided, and kept since
        _leave_registry(home, buried.numbers)
        audit.record(
            home,
            audit.operator(),
            audit.FORGOTTEN,
            "nothing is left",
            people=len(buried.numbers),
            generation=generation,
        )
        erased(vault)


def _leave_registry(home: Home, people: Iterable[int]) -> None:
    """Take the numbers that stand for people out of the registry of research exports."""
    if not home.research.is_dir():
        return
    # Imported late: few installations export research data.
    from attribution.research.reading import tags
    from attribution.research.registry import forget_people

    numbers = np.fromiter(people, dtype=np.int64)
    forget_people(home, audit.operator(), tags(home, numbers))
