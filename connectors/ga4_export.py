"""GA4 export files: the event tables that GA4 writes to BigQuery, as visits and forms of people.

A day is read whole: all files of its daily table together, or of its intraday table as long as
there is no other. What it says then replaces what it said before, so a table that GA4 completed
later, or a day that was exported again, leaves nothing of the former behind.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo

from connectors.contract import Link, Row, Touchpoint
from connectors.drops import (
    Drop,
    DropFile,
    Print,
    fingerprint,
    nothing_to_read,
    refuse,
    suffix_of,
    whole,
)
from connectors.errors import SourceError, SourceMisconfigured
from connectors.ga4_export_read import FORMATS, Wanted, read_events
from connectors.ga4_export_visits import Meaning, Visits
from connectors.source import Context, Cursor, Item, Option, Rejected, Slice, Source, Window
from connectors.zones import zones

OPTIONS = (
    Option("folder", "Folder that the exported tables are dropped into.", path=True),
    Option("timezone", "Time zone of the property (Admin, Property details)."),
    Option("key_events", "Events that are a submitted form.", False, default=("generate_lead",)),
    Option("lead_param", "Event parameter with the CRM's number of the lead.", False,
           default="lead_id"),
    Option("user_id_is", "What user_id is: crm_id or patient_id; else it is not read.", False),
    Option("traffic_source", "last_click (GA4's own) or collected (what each visit came with).",
           False, default="last_click"),
)  # fmt: skip
_ROWS: tuple[type[Row], ...] = (Touchpoint, Link)
_VERSION = 1  # raised when the same events make other rows
# The finished table first; `fresh` is the hourly one of Analytics 360.
_TABLES = ("daily", "fresh", "intraday")
_DATED = re.compile(r"events_(?:(fresh|intraday)_)?(\d{8})(?!\d)")


def connect(context: Context) -> Source:
    """Check the settings; raises SourceMisconfigured with everything that is wrong."""
    # What is given empty is an answer: no number of a lead, no event that is a form.
    asked = context.options
    given = {o.name: o.default if asked.get(o.name) is None else asked[o.name] for o in OPTIONS}
    problems = [f"{o.name} is missing" for o in OPTIONS if o.required and not given[o.name]]
    zone, events = str(given["timezone"]), given["key_events"]
    user = given["user_id_is"] or None
    if given["timezone"] and zone not in zones():
        problems.append(f"timezone {zone!r} is no name such as America/New_York")
    if user not in (None, "crm_id", "patient_id"):
        problems.append("user_id_is must be crm_id or patient_id")
    if given["traffic_source"] not in ("last_click", "collected"):
        problems.append("traffic_source must be last_click or collected")
    if not isinstance(events, list | tuple) or not all(isinstance(e, str) for e in events):
        problems.append('key_events must be a list such as ["generate_lead"]')
    if problems:
        raise SourceMisconfigured(f"Source '{context.name}': {'; '.join(problems)}.")
    stated = json.dumps([_VERSION, *(given[o.name] for o in OPTIONS[1:])], default=list)
    return Ga4Export(
        context.name,
        Path(str(given["folder"])).expanduser(),
        Wanted(str(given["lead_param"]), given["traffic_source"] == "last_click"),
        Meaning(tuple(events), user, ZoneInfo(zone)),
        hashlib.sha256(stated.encode()).hexdigest()[:16],
    )


@dataclass(frozen=True, slots=True)
class Table:
    """The files of one table of one day; without a day, one file that is named otherwise."""

    kind: str
    day: date | None
    files: tuple[DropFile, ...]

    @property
    def name(self) -> str:
        return self.files[0].name if self.day is None else f"{self.kind} events of {self.day}"

    @property
    def cursor_key(self) -> str:
        return f"file:{self.name}" if self.day is None else f"day:{self.day}"


@dataclass(frozen=True, slots=True)
class Ga4Export:
    """A folder of exported event tables."""

    name: str
    folder: Path
    wanted: Wanted
    meaning: Meaning
    key: str

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """One slice for each day whose files are not those that were loaded."""
        loaded = sum(key.startswith(("day:", "file:")) for key in cursors)
        for table in self._tables(loaded):
            before = cursors.get(table.cursor_key, "")
            if table.kind != "daily" and before.startswith("daily:"):
                continue  # the finished table was here, and has been taken out
            try:
                prints = [fingerprint(file) for file in table.files]
            except SourceError as error:
                yield self._slice(table, partial(refuse, error))
                continue
            content = hashlib.sha256("".join(sorted(p.sha256 for p in prints)).encode())
            cursor = f"{table.kind}:{content.hexdigest()}:{self.key}"
            if cursor != before:
                yield self._slice(table, partial(self._read, table, prints, cursor))

    def probe(self) -> str:
        """How many days of events there are."""
        tables = list(self._tables())
        days = [table.day for table in tables if table.day is not None]
        kinds = [f"{sum(t.kind == kind for t in tables)} {kind}" for kind in _TABLES
                 if any(t.kind == kind for t in tables)]  # fmt: skip
        span = f", {min(days)} to {max(days)}" if days else ""
        return f"{self.folder} holds {' and '.join(kinds)} event tables to read{span}."

    def _tables(self, loaded: int = 0) -> Iterator[Table]:
        """The best table of each day, in the order of days, then the files without a day."""
        found: dict[date, dict[str, list[DropFile]]] = {}
        others = []
        every = Drop(self.name, self.folder, lambda _: None).files()
        files = [file for file in every if suffix_of(file.name) in FORMATS]
        if not files:
            raise nothing_to_read(self.name, self.folder, len(every), loaded)
        for file in files:
            kind, day = _table_of(file.name)
            if day is None:
                others.append(file)
            else:
                found.setdefault(day, {}).setdefault(kind, []).append(file)
        for day in sorted(found):
            best = min(found[day], key=_TABLES.index)
            yield Table(best, day, tuple(found[day][best]))
        for file in others:
            yield Table("daily", None, (file,))

    def _slice(self, table: Table, read: partial[Iterator[Item]]) -> Slice:
        window = None if table.day is None else Window(table.day, table.day)
        return Slice(table.name, _ROWS, table.cursor_key, read, window)

    def _read(self, table: Table, prints: list[Print], cursor: str) -> Iterator[Item]:
        visits = Visits(table.name, self.meaning, table.day)

        def take(file: DropFile, stream: BinaryIO) -> Iterator[Item]:
            for part in read_events(file.name, stream, self.wanted):
                if isinstance(part, Rejected):
                    yield part
                else:
                    visits.add(part)

        for file, found in zip(table.files, prints, strict=True):
            yield from whole(file, found, take)
        yield from visits.items()
        yield Cursor(cursor)


def _table_of(name: str) -> tuple[str, date | None]:
    """The kind and day of the table that a file or its folder is named after."""
    for kind, digits in reversed(_DATED.findall(name)):
        try:
            return kind or "daily", datetime.strptime(digits, "%Y%m%d").date()  # noqa: DTZ007
        except ValueError:
            continue
    return "daily", None
