"""Spend sheets: what offline media cost, from the sheets that media agencies and clinics keep.

The folder is read as a whole, and what its sheets say now takes the place of all that they said
before: a flight that was corrected, moved or taken out leaves nothing behind.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

from connectors.contract import AdSpend, TrackingCode
from connectors.drops import (
    Drop,
    DropFile,
    fingerprint,
    kinds_of,
    matches,
    nothing_to_read,
    whole,
)
from connectors.errors import SourceMisconfigured
from connectors.files import reader_of
from connectors.options import settings
from connectors.source import Context, Cursor, Item, Option, Slice, Window
from connectors.spend_sheet_mapping import SheetMapping, sheet_mapping
from connectors.spend_sheet_rows import Flights
from connectors.zones import zones

OPTIONS = (
    Option("folder", "Folder that the sheets are dropped into.", path=True),
    Option("timezone", "Time zone that the sheets' days are of, such as America/New_York."),
    Option("match", "Which files of the folder are sheets.", False, default="**/*"),
    Option("columns", "Headers of the sheet, where they are not the fields' own names.", False),
    Option("values", "Other words for a field's values, such as a sheet's media.", False),
    Option("currency", "Currency of rows that name none.", False),
    Option("region", "Country of numbers written without its code.", False, default="US"),
    Option("sheet", "The sheet of a workbook; needed where it has several.", False),
    Option("header_row", "Row that the header is in.", False, default=1),
    Option("date_format", "How days are written, if not as 2026-03-31.", False),
    Option("decimal", "Decimal sign of amounts.", False, default="."),
    Option("delimiter", "Sign between the values of a CSV file.", False),
    Option("encoding", "Encoding of a CSV file.", False, default="utf-8"),
)
# All days that a record can be of: the whole of what was said before is replaced.
EVER = Window(date(1900, 1, 1), date(2199, 12, 31))
_NAME = "spend sheets"


def connect(context: Context) -> "SpendSheets":
    """Read the settings; raises SourceMisconfigured with everything that is wrong with them."""
    chosen = settings(context, OPTIONS)
    mapping, problems = sheet_mapping(chosen)
    if chosen["timezone"] not in zones():
        problems.append(f"timezone {chosen['timezone']!r} is no name such as America/New_York")
    if mapping is None or problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise SourceMisconfigured(
            f"Source '{context.name}' has settings that cannot be right:\n{lines}"
        )
    folder = Path(str(chosen["folder"])).expanduser()
    return SpendSheets(context.name, folder, str(chosen["match"]), chosen, mapping)


@dataclass(frozen=True, slots=True)
class SpendSheets:
    """A folder of sheets that are laid out alike."""

    name: str
    folder: Path
    match: str
    chosen: Mapping[str, Any]
    mapping: SheetMapping

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """One slice with all sheets, if any of them has changed.

        A folder without sheets takes nothing back: it may be one that is not mounted.
        """
        files = self._files()
        cursor = self._cursor(files)
        if cursor != cursors.get("sheets"):
            yield Slice(
                name=_NAME,
                rows=(AdSpend, TrackingCode),
                cursor_key="sheets",
                read=lambda: self._read(files, cursor),
                window=EVER,
            )

    def probe(self) -> str:
        """How many sheets there are, and how many flights and rejects in them."""
        files = self._files()
        flights, rejected = self._flights(), 0
        for file in files:
            rejected += sum(1 for _ in self._contents(file, flights))
        noun = "row" if flights.rows == 1 else "rows"
        said = f"{self.folder} holds {kinds_of(files)}: {flights.rows:,} {noun} of spend"
        return f"{said}, {rejected:,} of them not as agreed." if rejected else f"{said}."

    def _files(self) -> list[DropFile]:
        every = Drop(self.name, self.folder, lambda _file: None).files()
        found = [f for f in every if matches(f.name, self.match) and reader_of(f.name) is not None]
        if not found:
            raise nothing_to_read(self.name, self.folder, len(every), 0)
        return found

    def _cursor(self, files: list[DropFile]) -> str:
        """Changes with any sheet, and with any setting that would read them otherwise."""
        settled = json.dumps(dict(self.chosen), sort_keys=True, default=str)
        prints = [(file.name, fingerprint(file).sha256) for file in files]
        return hashlib.sha256(json.dumps([settled, prints]).encode()).hexdigest()

    def _flights(self) -> Flights:
        return Flights(str(self.chosen["timezone"]), str(self.chosen["region"]))

    def _read(self, files: list[DropFile], cursor: str) -> Iterator[Item]:
        flights = self._flights()
        for file in files:
            yield from self._contents(file, flights)
        yield from flights.columns()
        yield Cursor(cursor)

    def _contents(self, file: DropFile, flights: Flights) -> Iterator[Item]:
        """Take in the rows of one sheet; yields those that cannot be right."""

        def read(file: DropFile, stream: BinaryIO) -> Iterator[Item]:
            flights.next_sheet()
            for block in self.mapping.blocks(file.name, stream):
                yield from flights.take(file.name, block)

        return whole(file, fingerprint(file), read)
