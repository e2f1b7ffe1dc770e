"""A file of messages for the medical record's own messenger: record numbers, not addresses.

A file appears whole or not at all, under a name made of its messages, and each holds the keys of
those in it: after a kill, what is in a file has been handed over and nothing else has.
"""

import csv
import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

from attribution.paths import Home
from outreach.letters import Letter
from outreach.outbox import Outbox
from outreach.ways import Doubt, Fate

COLUMNS = ("message_key", "flow", "record", "channel", "subject", "text")
_RISKY = ("=", "+", "-", "@", "\t", "\r")


class Files:
    """The way of files: all that is handed over together is in one."""

    at_once = 200

    def __init__(self, home: Home, flow: str) -> None:
        self._home, self._flow = home, flow

    def ready(self) -> None:
        """There is nothing to wait for."""

    def close(self) -> None:
        """Nothing is held open."""

    def hand_over(self, letters: Sequence[Letter]) -> list[Fate]:
        hand_over(self._home, self._flow, letters)
        return [Fate("sent")] * len(letters)

    def settled(self, doubts: Sequence[Doubt], _outbox: Outbox) -> dict[str, Fate]:
        there = handed_over(self._home, self._flow)
        return {d.key: Fate("sent") if d.key in there else Fate("deferred") for d in doubts}

    def probe(self) -> str:
        return "files are written to the home folder."


def folder(home: Home) -> Path:
    """Where files of messages are put."""
    return home.folder / "handed_over"


def hand_over(home: Home, flow: str, letters: Sequence[Letter]) -> Path:
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
    partial = path.with_suffix(".tmp")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text.getvalue())
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    whole = os.open(place, os.O_RDONLY)
    try:
        os.fsync(whole)
    finally:
        os.close(whole)
    return path


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
