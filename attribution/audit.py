"""The audit log: who saw whom and who took what away. Entries are only ever added.

Each entry is sealed with HMAC-SHA-256 (RFC 2104) over itself and the seal before it, under a key
derived from the installation's own; where that is replaced, entries from then on are sealed under
the new one, and the first of them covers all before it. Whoever changes, removes, adds or swaps
entries in the ledger without that key is found out by `verify`. Entries cut off at the end leave a
whole chain behind: so the last seal of each day is written to a file beside the ledger too, and may
be noted elsewhere.

An act that cannot be written down is not done.
"""

import getpass
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from attribution.at_rest import write_whole
from attribution.errors import BadInput, CaretraceError, StorageError
from attribution.keys import keyring
from attribution.ledger import Ledger, now
from attribution.paths import Home

EXPORTED = "export"  # a report of aggregates left the installation
PEOPLE_EXPORTED = "people_export"  # a file about single people did
RESEARCH_EXPORTED = "research_export"  # de-identified rows did: the registry of these exports
RESEARCH_FORGOTTEN = "research_forgotten"  # somebody's number left the registry of these exports
PEOPLE_SEEN = "people_view"  # single people were shown
PEOPLE_SOUGHT = "people_search"  # somebody was looked for and not found
ROLLED_BACK = "rollback"
REFRESH_STARTED = "refresh_start"  # a person started one; the weekly one is in the books of runs
SENDS_HELD = "sends_held"
SENDS_RELEASED = "sends_released"
BACKED_UP = "backup"
RESTORED = "restore"
SIGNED_IN = "sign_in"
DENIED = "denied"
REVOKED = "sessions_ended"
OUTREACH_APPROVED = "outreach_approval"
OUTREACH_WITHDRAWN = "outreach_withdrawal"
OUTREACH_SENT = "outreach_send"
OUTREACH_SETTLED = "outreach_settle"
OUTREACH_STOPPED = "outreach_stop"
MIGRATED = "migrate"  # the private store went to another engine
PULLED = "pull"  # what another host published came to this one, with these files
KEYS_CHANGED = "keys_changed"
REPORT_PLANNED = "report_plan"  # a scheduled report was made, held, sent by hand or removed
SCENARIO_KEPT = "budget_scenario"  # a plan for the budget was saved
NOTE_WRITTEN = "note_written"  # on what happened on a day; its words are in the ledger only
NOTE_REMOVED = "note_removed"
VIEW_SHARED = "view_shared"
VIEW_DELETED = "view_deleted"  # one that was shared
LIFT_PLANNED = "lift_test"  # a lift test was registered, with the hash of its plan
HOLDOUT_PLANNED = "holdout_plan"  # a holdout of people was registered, with its plan's hash
LIFT_RECORDED = "lift_result"  # what it brought was recorded as evidence
LIFT_WITHDRAWN = "lift_withdrawal"  # a test was called off, or its result is heard no more
FORGOTTEN = "person_forgotten"
PURGED = "purge"

_SEAL_LENGTH = 64
_SEALED = ("number", "at", "actor", "action", "subject", "detail")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look through the whole log found; `head` is the last entry's number and seal."""

    entries: int
    head: str
    problems: tuple[str, ...]


def operator() -> str:
    """Whoever runs a command."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        name = f"user {os.getuid()}"
    return f"{name} (command line)"


def record(home: Home, actor: str, action: str, subject: str, **detail: object) -> None:
    """Write down that `actor` did something; raises StorageError where it cannot be.

    `detail` holds filters, counts and the hash of a file: nothing that identifies a person but
    the number that stands for them.
    """
    last = ""

    def entry(number: int, before: str) -> Mapping[str, object]:
        nonlocal last
        last = f"{number - 1}:{before}"
        said: dict[str, object] = {
            "number": number,
            "at": now(),
            "actor": actor,
            "action": action,
            "subject": subject,
            "detail": json.dumps(detail, sort_keys=True, default=str),
        }
        # Asked for only now, under the ledger's lock: no other key takes over in between.
        return said | {"seal": _seal(keyring(home).of_audit(number), before, said)}

    try:
        if not home.writable:
            raise StorageError(f"{home.folder} cannot be written. Run this as its owner.")
        keyring(home)  # before there is an entry that it would have to fit
        with Ledger(home) as ledger:
            ledger.append_audit(entry, lambda written: _note_head(home, written, last))
    except (CaretraceError, OSError) as error:
        raise StorageError(
            f"This could not be written into the audit log, so it was not done: {error}"
        ) from error


def entries(home: Home, last: int | None = None) -> pd.DataFrame:
    """The entries in order, or only the last so many."""
    with Ledger(home) as ledger:
        return ledger.audited(last)


def verify(home: Home, expected: str | None = None) -> Verdict:
    """Recompute every seal; `expected` is a head that was noted before (`number:seal`)."""
    ring, before, number = keyring(home), "", 0
    problems: list[str] = []
    found = entries(home)
    rows: list[dict[str, object]] = [
        {str(name): value for name, value in row.items()} for row in found.to_dict("records")
    ]
    for said in rows:
        if said["number"] != number + 1:
            problems.append(f"After entry {number} comes entry {said['number']}.")
        number = int(str(said["number"]))
        sealed = {name: said[name] for name in _SEALED}
        seal = _seal(ring.of_audit(number), before, sealed).encode()
        if not hmac.compare_digest(seal, str(said["seal"]).encode()):
            problems.append(f"Entry {number} does not fit its seal, or the entry before it.")
        before = str(said["seal"])
    if len(rows) < ring.sealed_from[-1] - 1:
        problems.append(f"Entries up to {ring.sealed_from[-1] - 1} were there; some are gone.")
    known = {_head(said) for said in rows}
    noted = [*_noted_heads(home), *([_checked(expected)] if expected else [])]
    problems += [
        f"Entry {head.partition(':')[0]}, noted as {head}, is gone or another one."
        for head in dict.fromkeys(noted)
        if head not in known
    ]
    return Verdict(len(rows), _head(rows[-1]) if rows else "none", tuple(problems))


def _checked(head: str) -> str:
    number, _, seal = head.strip().partition(":")
    if not (number.isdigit() and len(seal) == _SEAL_LENGTH):
        raise BadInput(
            f"{head!r} is no head of the log: give what `caretrace audit verify` printed as one."
        )
    return head.strip()


def _seal(key: bytes, before: str, said: Mapping[str, object]) -> str:
    # What is no text or number was never sealed, and must not keep anybody from being told so.
    content = json.dumps(
        [before, *(said[name] for name in _SEALED)], separators=(",", ":"), default=repr
    )
    return hmac.digest(key, content.encode(), "sha256").hex()


def _head(said: Mapping[str, object]) -> str:
    return f"{said['number']}:{said['seal']}"


def _note_head(home: Home, said: Mapping[str, object], last: str) -> None:
    """Keep the last seal of each day beside the ledger, one line a day.

    A line gives way only to the entry that follows it: what is noted of entries that have been
    cut off stays, whatever is added afterwards.
    """
    day, head = str(said["at"])[:10], _head(said)
    lines = [line for line in _lines(home) if line != f"{day} {last}"]
    noted = "".join(f"{line}\n" for line in [*lines, f"{day} {head}"])
    write_whole(home.audit_heads, noted.encode("ascii", "backslashreplace"))


def _noted_heads(home: Home) -> list[str]:
    return [line.partition(" ")[2] for line in _lines(home)]


def _lines(home: Home) -> list[str]:
    path = home.audit_heads
    if not path.is_file():
        return []
    # Damage is a finding, so it must be possible to read it.
    return path.read_text(encoding="ascii", errors="backslashreplace").splitlines()
