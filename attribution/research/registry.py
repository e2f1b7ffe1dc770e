"""The registry of research exports: what left before, so that the next one gives nobody away.

Its entries are those of the audit log, sealed and only added to. Who was in an export is kept in a
file beside it, under numbers that only the registry's own key makes (`attribution.research.
reading`); the entry holds the file's hash. A registry with a file missing cannot say what two
exports give away together, so nothing leaves until it is back. Whoever is forgotten gets a number
drawn by lot in place of theirs: that somebody was in a class stays known, and not who.
"""

import fcntl
import hashlib
import hmac
import json
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import zstandard

from attribution import audit
from attribution.at_rest import lock_file, write_whole
from attribution.errors import StorageError
from attribution.paths import Home
from attribution.research.lattice import Whole


@dataclass(frozen=True, slots=True)
class Drawn:
    """How a person's dates are shifted: what the draw is for, and how many weeks it may come to."""

    purpose: str
    weeks: int


@dataclass(frozen=True, slots=True)
class Earlier:
    """One export of before: its id, its day and its levels, and who was in it.

    `tags` are in order; `places` has for each the place of their class in `classes`, which are the
    values of the quasi-identifiers as they were told. `drawn` says how its dates were shifted, if
    they were and that was written down; `by_expert` whether it was by an expert's determination.
    `sensitive` are the columns of care that it told, None where that was not written down.
    """

    export: str
    day: str
    levels: Mapping[str, int]
    tags: Whole
    places: Whole
    classes: tuple[tuple[str, ...], ...]
    drawn: Drawn | None = None
    by_expert: bool = False
    sensitive: tuple[str, ...] | None = None


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
        members = _members(home, str(detail["export"]), _known(entries, str(detail["export"])))
        levels = {str(name): int(level) for name, level in detail["levels"].items()}
        drawn = Drawn(**detail["drawn"]) if "drawn" in detail else None
        by_expert = str(entry["subject"]).endswith("profile expert")
        day = str(entry["at"])[:10]
        sensitive = tuple(map(str, detail["sensitive"])) if "sensitive" in detail else None
        found.append(
            Earlier(str(detail["export"]), day, levels, *members, drawn, by_expert, sensitive)
        )
    return found


@contextmanager
def one_at_a_time(home: Home) -> Iterator[None]:
    """Let exports wait for each other: two at once would be compared with neither."""
    home.research.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock_file(home.research / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def registry_key(home: Home) -> bytes:
    """The key that people are numbered with here, made on first use.

    Its own: the hashing key may be changed, and then numbers and shifted dates must stay.
    """
    path = home.research / "key"
    if not path.exists():
        home.research.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, secrets.token_hex(32).encode("ascii"))
    return path.read_bytes()


def key_mark(home: Home) -> str:
    """What tells the registry's key from another, and says nothing of it."""
    return hmac.digest(registry_key(home), b"caretrace registry of research", "sha256").hex()[:16]


def note_members(
    home: Home, export: str, tags: Whole, places: Whole, classes: Sequence[Sequence[str]]
) -> str:
    """Keep who is in an export, and in which class; returns the SHA-256 of the file.

    It is durable before the log says that there is one: a log that knows of a file which a power
    cut took would let nothing leave any more.
    """
    home.research.mkdir(mode=0o700, exist_ok=True)
    content = _content(tags, places, classes)
    write_whole(_path(home, export), content)
    return hashlib.sha256(content).hexdigest()


def forget_people(home: Home, actor: str, forgotten: Whole) -> int:
    """Put numbers drawn by lot in the place of some people's; in how many exports they were.

    One number each for all exports: in which ones somebody was together is what is compared. The
    log has the new hash before the file changes, and files under a hash of before still count:
    killed in between, it is done again.
    """
    if not home.research.is_dir():
        return 0
    found = 0
    lots = {int(number): secrets.randbelow(1 << 63) for number in forgotten}
    for export in earlier(home):
        theirs = np.isin(export.tags, forgotten)
        if not theirs.any():
            continue
        tags = export.tags.copy()
        tags[theirs] = [lots[int(number)] for number in tags[theirs]]
        content = _content(tags, export.places, export.classes)
        audit.record(
            home,
            actor,
            audit.RESEARCH_FORGOTTEN,
            "registry of research exports",
            export=export.export,
            members_sha256=hashlib.sha256(content).hexdigest(),
        )
        write_whole(_path(home, export.export), content)
        found += 1
    return found


def forget_members(home: Home, export: str) -> None:
    """Take back what was noted of an export that did not leave."""
    _path(home, export).unlink(missing_ok=True)


def _known(entries: pd.DataFrame, export: str) -> set[str]:
    """The hashes that the file of an export may have: as it left, and without the forgotten."""
    told = entries[entries["action"].isin([audit.RESEARCH_EXPORTED, audit.RESEARCH_FORGOTTEN])]
    every = (json.loads(str(detail)) for detail in told["detail"])
    return {str(each["members_sha256"]) for each in every if each["export"] == export}


def _content(tags: Whole, places: Whole, classes: Sequence[Sequence[str]]) -> bytes:
    order = np.argsort(tags)
    numbers = [column[order].astype("<i8").tobytes() for column in (tags, places)]
    return zstandard.compress(b"".join([json.dumps(classes).encode(), b"\n", *numbers]))


def _members(
    home: Home, export: str, digests: Collection[str]
) -> tuple[Whole, Whole, tuple[tuple[str, ...], ...]]:
    path = _path(home, export)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    if hashlib.sha256(content).hexdigest() not in digests:
        raise StorageError(
            f"{path} is missing or was changed: it says who was in the research export {export}, "
            "and without it two exports could give somebody away. Put it back from a backup."
        )
    head, _, numbers = zstandard.decompress(content).partition(b"\n")
    tags, places = np.frombuffer(numbers, dtype="<i8").astype(np.int64).reshape(2, -1)
    return tags, places, tuple(tuple(names) for names in json.loads(head))


def _path(home: Home, export: str) -> Path:
    return home.research / f"{export}.members"
