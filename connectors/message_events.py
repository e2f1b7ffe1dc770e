"""Message events: files of webhook events of senders of e-mail and text messages, in a folder.

A file holds one JSON object or array, or one of either a line: whatever the collector wrote of the
requests it received. Order, repeats and the file that an event lies in make no difference: each
event is a row by its own id, and a message is what its events add up to.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from connectors.drops import JSON, Drop, DropFile, Plan, kinds_of, suffix_of
from connectors.errors import SourceMisconfigured
from connectors.flows import FLOWS, Flows, flow_rules
from connectors.message_formats import Own, events_of
from connectors.message_rows import ROWS, rows_of
from connectors.readers import LONGEST_LINE, changed, unpacked
from connectors.shapes import BadValue
from connectors.source import Context, Item, Option, Rejected, Slice

OPTIONS = (
    Option("folder", "Folder that the files of events are dropped into.", path=True),
    FLOWS,
    Option("message_field", "The sender's own field that holds the message's id.", False,
           default="message_id"),
    Option("flow_field", "The sender's own field that holds the flow's name.", False,
           default="flow"),
    Option("received_field", "The field that says when a Twilio callback came.", False,
           default="received_at"),
)  # fmt: skip
_VERSION = 2  # raised when the same events make other rows
MOST_BYTES = 256 << 20  # of one JSON document, which is held in memory
NOBODY_S = "is no event of SendGrid, Mailgun, Postmark, Amazon SES or Twilio"


def connect(context: Context) -> "MessageEvents":
    """Check the settings; raises SourceMisconfigured with what is wrong."""
    given = context.options
    if not given.get("folder"):
        raise SourceMisconfigured(
            f"Source '{context.name}' has no folder; set it in caretrace.toml."
        )
    flows = flow_rules(context.name, given.get("flows"))
    # What is given empty is an answer: the sender has no such field.
    fields = [o.default if given.get(o.name) is None else given[o.name] for o in OPTIONS[2:]]
    own = Own(*map(str, fields))
    stated = f"{_VERSION} {flows} {own}"
    key = hashlib.sha256(stated.encode()).hexdigest()[:16]
    return MessageEvents(context.name, Path(str(given["folder"])).expanduser(), flows, own, key)


@dataclass(frozen=True, slots=True)
class MessageEvents:
    """A folder of event files."""

    name: str
    folder: Path
    flows: Flows
    own: Own
    key: str

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """One slice for each file whose content is new."""
        return self._drop().slices(cursors)

    def probe(self) -> str:
        """How many files there are to read."""
        files = [file for file, _ in self._drop().planned()]
        return f"{self.folder} holds {kinds_of(files) or 'no file of events'} to read."

    def read(self, file: DropFile, stream: BinaryIO) -> Iterator[Item]:
        """The rows and rejects of one file."""
        for number, record in _records(file.name, unpacked(file.name, stream)):
            yield from self._rows(file.name, number, record)

    def _drop(self) -> Drop:
        return Drop(self.name, self.folder, self._plan)

    def _plan(self, file: DropFile) -> Plan | None:
        return Plan(ROWS, self.key, self.read) if suffix_of(file.name) in JSON else None

    def _rows(self, name: str, number: int, record: Any) -> Iterator[Item]:
        try:
            found = events_of(record, self.own) if isinstance(record, dict) else None
            if found is None:
                shape = (
                    f"record of {len(record)} fields" if isinstance(record, dict) else "no record"
                )
                yield Rejected(name, number, "", shape, NOBODY_S, "message_event")
                return
            for told in found:
                yield from rows_of(told, self.flows)
        except BadValue as bad:
            yield Rejected(name, number, bad.column, bad.shape, bad.reason, "message_event")


def _records(name: str, stream: BinaryIO) -> Iterator[tuple[int, Any]]:
    """Every record with its number: its line, or its place in the one array of the file."""
    if suffix_of(name).startswith(".json") and not suffix_of(name).startswith(".jsonl"):
        data = stream.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            changed(name, f"is one document of more than {MOST_BYTES >> 20} MB: write a line each")
        document = _decoded(data)
        if document is None:
            changed(name, "is not a whole JSON document")
        yield from enumerate(document if isinstance(document, list) else [document], start=1)
        return
    number = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            changed(name, f"has a line of more than {LONGEST_LINE >> 20} MB")
        if line.strip():
            said = _decoded(line)
            for record in said if isinstance(said, list) else [said]:
                yield number, record


def _decoded(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:
        pass
    try:  # what is JSON to Python and not to the standard: other encodings, halves of surrogates
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
