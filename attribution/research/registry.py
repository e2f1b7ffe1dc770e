"""The registry of research exports: what left before, so that the next one gives nobody away.

Its entries are those of the audit log, sealed and only added to. Who was in an export is kept in a
file beside it, under numbers that only the registry's own key makes (`attribution.research.
reading`); the entry holds the file's hash. A registry with a file missing cannot say what two
exports give away together, so nothing leaves until it is back.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zstandard

from attribution import audit
from attribution.errors import StorageError
from attribution.paths import Home
from attribution.research.lattice import Whole


@dataclass(frozen=True, slots=True)
class Earlier:
    """One export of before: its id, its day and its levels, and who was in it.

    `tags` are in order; `places` has for each the place of their class in `classes`, which are the
    values of the quasi-identifiers as they were told.
    """

    export: str
    day: str
    levels: Mapping[str, int]
    tags: Whole
    places: Whole
    classes: tuple[tuple[str, ...], ...]


def earlier(home: Home) -> list[Earlier]:
    """Every export that left this installation, oldest first."""
    if not home.ledger.is_file():
        return []
    entries = audit.entries(home)
    mark = key_mark(home)
    found = []
    for entry in entries[entries["action"] == audit.RESEARCH_EXPORTED].to_dict("records"):
        detail = json.loads(str(entry["detail"]))
        if detail["key"] != mark:
            raise StorageError(
                "The key that numbers people in the registry of research exports is another one "
                f"than for the export {detail['export']}, so the two cannot be compared. Put the "
                "key back."
            )
        members = _members(home, str(detail["export"]), str(detail["members_sha256"]))
        levels = {str(name): int(level) for name, level in detail["levels"].items()}
        found.append(Earlier(str(detail["export"]), str(entry["at"])[:10], levels, *members))
    return found


def registry_key(home: Home) -> bytes:
    """The key that people are numbered with here, made on first use.

    Its own: the hashing key may be changed, and then numbers and shifted dates must stay.
    """
    path = home.research / "key"
    if not path.exists():
        home.research.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = path.with_suffix(".tmp")
        partial.touch(mode=0o600)
        partial.write_text(secrets.token_hex(32), encoding="ascii")
        partial.replace(path)
    return path.read_bytes()


def key_mark(home: Home) -> str:
    """What tells the registry's key from another, and says nothing of it."""
    return hmac.digest(registry_key(home), b"caretrace registry of research", "sha256").hex()[:16]


def note_members(
    home: Home, export: str, tags: Whole, places: Whole, classes: Sequence[Sequence[str]]
) -> str:
    """Keep who is in an export, and in which class; returns the SHA-256 of the file."""
    home.research.mkdir(mode=0o700, exist_ok=True)
    order = np.argsort(tags)
    numbers = [column[order].astype("<i8").tobytes() for column in (tags, places)]
    head = json.dumps(classes).encode()
    content = zstandard.compress(b"".join([head, b"\n", *numbers]))
    path = _path(home, export)
    path.touch(mode=0o600)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def forget_members(home: Home, export: str) -> None:
    """Take back what was noted of an export that did not leave."""
    _path(home, export).unlink(missing_ok=True)


def _members(
    home: Home, export: str, digest: str
) -> tuple[Whole, Whole, tuple[tuple[str, ...], ...]]:
    path = _path(home, export)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    if hashlib.sha256(content).hexdigest() != digest:
        raise StorageError(
            f"{path} is missing or was changed: it says who was in the research export {export}, "
            "and without it two exports could give somebody away. Put it back from a backup."
        )
    head, _, numbers = zstandard.decompress(content).partition(b"\n")
    tags, places = np.frombuffer(numbers, dtype="<i8").astype(np.int64).reshape(2, -1)
    return tags, places, tuple(tuple(names) for names in json.loads(head))


def _path(home: Home, export: str) -> Path:
    return home.research / f"{export}.members"
