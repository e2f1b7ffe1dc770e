"""A file of messages for the medical record's own messenger: record numbers, not addresses.

A file appears whole or not at all, under a name made of its messages, and each holds the keys of
those in it: after a kill, what is in a file has been handed over and nothing else has.
"""

import csv
import hashlib
import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attribution.at_rest import sync, write_whole
from attribution.paths import Home

if TYPE_CHECKING:
    from outreach.letters import Letter

COLUMNS = ("message_key", "flow", "record", "channel", "subject", "text")
_RISKY = ("=", "+", "-", "@", "\t", "\r")


def folder(home: Home) -> Path:
    """Where files of messages are put."""
    return home.folder / "handed_over"


def hand_over(home: Home, flow: str, letters: "Sequence[Letter]") -> Path:
    """Write one file; only its owner can read it."""
    place = folder(home)
    place.mkdir(mode=0o700, exist_ok=True)
    keys = "".join(sorted(letter.key for letter in letters))
    path = place / f"{flow}-{hashlib.sha256(keys.encode()).hexdigest()[:16]}.csv"
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for letter in letters:
        line = (letter.key, flow, letter.record, letter.channel, letter.subject, letter.text)
        table.writerow([_safe(value) for value in line])
    for left in place.glob("*.tmp"):  # what a kill left in the middle was never handed over
        left.unlink()
    write_whole(path, text.getvalue().encode())
    return path


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
    keys: set[str] = set()
    for path in sorted(folder(home).glob(f"{flow}-*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            keys |= {row["message_key"] for row in csv.DictReader(file)}
    return keys


def _safe(value: str) -> str:
    # A spreadsheet would take it for a formula.
    return f"'{value}" if value.startswith(_RISKY) else value
