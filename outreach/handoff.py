"""A file of messages for the medical record's own messenger: record numbers, not addresses.

A file is laid out first, under a name that the messenger does not read, and then appears whole:
after a kill, what is in a file has been handed over, and what is only laid out has not. Of what is
in neither nobody knows: the messenger may have read its file and deleted it.
"""

import csv
import hashlib
import io
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attribution.at_rest import sync, write_whole, writing
from attribution.paths import Home

if TYPE_CHECKING:
    from outreach.letters import Letter

COLUMNS = ("message_key", "flow", "record", "channel", "subject", "text")
_RISKY = ("=", "+", "-", "@", "\t", "\r")


def folder(home: Home) -> Path:
    """Where files of messages are put."""
    return home.folder / "handed_over"


def lay_out(home: Home, flow: str, letters: "Sequence[Letter]") -> None:
    """Write what is handed over next, in the place of what was laid out of this flow before."""
    for left in folder(home).glob(f"{flow}-*.tmp"):
        left.unlink(missing_ok=True)
    if not letters:
        return
    path = _laid_out(_path(home, flow, letters))
    path.parent.mkdir(mode=0o700, exist_ok=True)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for letter in letters:
        line = (letter.key, flow, letter.record, letter.channel, letter.subject, letter.text)
        table.writerow([_safe(value) for value in line])
    with writing(path) as file:
        file.write(text.getvalue().encode())
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)


def hand_over(home: Home, flow: str, letters: "Sequence[Letter]") -> bool:
    """Let the file appear that was laid out; false where it was taken away meanwhile."""
    path = _path(home, flow, letters)
    try:
        _laid_out(path).replace(path)
    except FileNotFoundError:
        return False
    sync(path.parent)
    return True


def forget(home: Home, keys: Collection[str]) -> int:
    """Take some messages out of the files that are still there; how many lines that were."""
    place, gone = folder(home), 0
    if not place.is_dir():
        return 0
    for left in place.glob("*.tmp"):
        left.unlink()
    for path in sorted(place.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            head, *rows = list(csv.reader(file)) or [[]]
        kept = [row for row in rows if row[0] not in keys]
        if len(kept) == len(rows):
            continue
        gone += len(rows) - len(kept)
        if kept:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows([head, *kept])
            write_whole(path, text.getvalue().encode())
        else:
            path.unlink()
    sync(place)
    return gone


def handed_over(home: Home, flow: str) -> set[str]:
    """The keys of all messages of a flow that are in a file."""
    return _keys(folder(home).glob(f"{flow}-*.csv"))


def laid_out(home: Home, flow: str) -> set[str]:
    """The keys of all messages of a flow that were laid out and not handed over."""
    return _keys(folder(home).glob(f"{flow}-*.tmp"))


def _keys(paths: Iterable[Path]) -> set[str]:
    keys: set[str] = set()
    for path in sorted(paths):
        # A kill may leave half of what is laid out; nothing of that was begun.
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            keys |= {row["message_key"] for row in csv.DictReader(file)}
    return keys


def _path(home: Home, flow: str, letters: "Sequence[Letter]") -> Path:
    keys = "".join(sorted(letter.key for letter in letters))
    return folder(home) / f"{flow}-{hashlib.sha256(keys.encode()).hexdigest()[:16]}.csv"


def _laid_out(path: Path) -> Path:
    return path.with_name(f"{path.name}.tmp")


def _safe(value: str) -> str:
    # A spreadsheet would take it for a formula.
    return f"'{value}" if value.startswith(_RISKY) else value
