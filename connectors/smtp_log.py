"""SMTP logs: Postfix's, Sendmail's, Exim's, and tables of deliveries (CSV, NDJSON), in a folder.

Only mail of the senders that `flows` names is read: a mail server carries everybody's. A message's
lines may lie in two rotated files, so what was queued is looked for in all files of the folder.
"""

import csv
import hashlib
import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from connectors import mail_logs, postfix
from connectors.contract import MessageEvent
from connectors.drops import Drop, DropFile, Plan, kinds_of, matches, opened, suffix_of
from connectors.errors import SourceError, SourceMisconfigured
from connectors.flows import Flow, Flows, flow_rules
from connectors.message_rows import MAILBOX_GONE, Told, instant, needed, rows_of, text
from connectors.postfix import Clock, Delivery, NoZone, Queued
from connectors.readers import LONGEST_LINE, changed, unpacked
from connectors.shapes import BadValue
from connectors.source import Context, Item, Option, Rejected, Slice
from connectors.zones import zones

_EVERY = "**/*"  # in folders below too
OPTIONS = (
    Option("folder", "Folder that the logs are dropped into.", path=True),
    Option("match", "Which files below the folder are logs.", False, default=_EVERY),
    Option("flows", "One table for each sender whose mail is read: match, flow, purpose, mailing."),
    Option("timezone", "Time zone of times written without one.", required=False),
)
_VERSION = 2  # raised when the same lines make other rows
_TABLES = (".csv", ".ndjson", ".jsonl")
_FATES = {
    "sent": "delivered", "delivered": "delivered", "bounced": "bounced", "expired": "dropped",
    "deferred": "deferred",
}  # fmt: skip
# RFC 3463: success, a failure that may pass, a failure that stays.
_CLASSES = {"2": "delivered", "4": "deferred", "5": "bounced"}


def connect(context: Context) -> "SmtpLog":
    """Check the settings; raises SourceMisconfigured with everything that is wrong."""
    given = context.options
    zone = given.get("timezone")
    problems = []
    if not given.get("folder"):
        problems.append("folder is missing")
    if not given.get("flows"):
        problems.append("flows is missing: name the senders whose mail is to be read")
    if zone and zone not in zones():
        problems.append(f"timezone {zone!r} is no name such as America/New_York")
    if problems:
        raise SourceMisconfigured(f"Source '{context.name}': {'; '.join(problems)}.")
    flows = flow_rules(context.name, given.get("flows"), Flow("(none)"))
    stated = f"{_VERSION} {flows} {zone}"
    return SmtpLog(
        context.name,
        Path(str(given["folder"])).expanduser(),
        str(given.get("match") or _EVERY),
        flows,
        ZoneInfo(zone) if zone else None,
        context.now,
        hashlib.sha256(stated.encode()).hexdigest()[:16],
    )


@dataclass(slots=True)
class SmtpLog:
    """A folder of logs."""

    name: str
    folder: Path
    match: str
    flows: Flows
    zone: ZoneInfo | None
    now: datetime
    key: str
    _elsewhere: dict[postfix.Key, list[Queued]] | None = None

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """One slice for each file whose content is new."""
        self._elsewhere = None
        return self._drop().slices(cursors)

    def probe(self) -> str:
        """How many files there are to read."""
        files = [file for file, _ in self._drop().planned()]
        return f"{self.folder} holds {kinds_of(files)} to read."

    def read(self, file: DropFile, stream: BinaryIO) -> Iterator[Item]:
        """The rows and rejects of one file."""
        form = f".{suffix_of(file.name).split('.')[1]}" if suffix_of(file.name) else ""
        lines = _lines(file, stream)
        found = self._table(file.name, lines, form) if form in _TABLES else self._log(file, lines)
        for number, told in found:
            if isinstance(told, BadValue):
                yield Rejected(
                    file.name, number, told.column, told.shape, told.reason, "message_event"
                )
            else:
                yield from rows_of(told, self.flows)

    def _drop(self) -> Drop:
        return Drop(self.name, self.folder, self._plan)

    def _plan(self, file: DropFile) -> Plan | None:
        fits = matches(file.name, self.match)
        return Plan((MessageEvent,), self.key, self.read) if fits else None

    def _log(self, file: DropFile, lines: Iterable[str]) -> Iterator[tuple[int, Told | BadValue]]:
        form, whole, any_line = mail_logs.recognised(lines)
        if form is None:
            if any_line:
                advice = "take it out, or set `match`"
                changed(file.name, f"holds no line of {mail_logs.NAMES}", advice=advice)
            return
        try:
            for number, found in form.deliveries(whole, self._clock(file)):
                if isinstance(found, BadValue):
                    yield number, found
                    continue
                queued = self._whole(found)
                if queued is None or queued.sender is None:
                    yield number, BadValue("from", None, "was queued in no file of the folder")
                elif self.flows.knows(queued.sender):
                    yield from ((number, told) for told in _fate(found, queued))
        except NoZone:
            raise SourceMisconfigured(
                f"{file.name} has times without a zone; set the timezone of source "
                f"'{self.name}' in caretrace.toml."
            ) from None

    def _clock(self, file: DropFile) -> Clock:
        written = datetime.fromtimestamp(file.path.stat().st_mtime, UTC)
        return Clock(self.zone, min(written, self.now))

    def _whole(self, found: Delivery) -> Queued | None:
        """The message of a delivery; its first lines may lie in another file of the folder."""
        own = found.queued
        if own is not None and own.sender is not None and own.message_id is not None:
            return own
        other = self._queued_elsewhere(found)
        if own is None or other is None:
            return own or other
        return Queued(
            other.at, own.message_id or other.message_id, own.sender or other.sender,
            max(own.recipients, other.recipients),
        )  # fmt: skip

    def _queued_elsewhere(self, found: Delivery) -> Queued | None:
        if self._elsewhere is None:
            self._elsewhere = defaultdict(list)
            for file in self._drop().files():
                if self._plan(file) and not suffix_of(file.name).startswith(_TABLES):
                    self._note_queued(file, self._elsewhere)
            for key, known in self._elsewhere.items():
                self._elsewhere[key] = _joined(known)
        known = self._elsewhere.get((found.host, found.queue), [])
        place = bisect_right(known, found.at, key=lambda queued: queued.at)
        queued = known[place - 1] if place else None
        late = queued is None or found.at - queued.at > postfix.LONGEST_IN_QUEUE
        return None if late else queued

    def _note_queued(self, file: DropFile, into: dict[postfix.Key, list[Queued]]) -> None:
        try:
            with opened(file) as stream:
                form, whole, _ = mail_logs.recognised(_lines(file, stream))
                for key, queued in form.queued(whole, self._clock(file)) if form else ():
                    into[key].append(queued)
        except (SourceError, OSError, NoZone):
            return  # its own slice says what is wrong with it

    def _table(
        self, name: str, lines: Iterable[str], form: str
    ) -> Iterator[tuple[int, Told | BadValue]]:
        """A table of deliveries: time, message_id, sender, recipient, status, dsn."""
        for number, record in _records(name, lines, form):
            try:
                sender = needed(record, "sender")
                if self.flows.knows(sender):
                    told = _told(
                        needed(record, "message_id"),
                        needed(record, "recipient"),
                        sender,
                        instant(record, "time"),
                        _event(text(record, "status"), text(record, "dsn")),
                        text(record, "dsn"),
                    )
                    yield number, told
            except BadValue as bad:
                yield number, bad


def _joined(parts: Iterable[Queued]) -> list[Queued]:
    """Messages of one queue id in order; one without an id goes on with the one before it."""
    whole: list[Queued] = []
    for part in sorted(parts, key=lambda queued: queued.at):
        if part.message_id is None and whole:
            whole[-1].sender = whole[-1].sender or part.sender
            whole[-1].recipients = max(whole[-1].recipients, part.recipients)
        else:
            whole.append(part)
    return whole


def _fate(found: Delivery, queued: Queued) -> Iterator[Told]:
    """That a message left, and what became of it; probes of an address are none."""
    event = _FATES.get(found.status)
    if event is None:
        return
    number = queued.message_id or f"{found.host}:{found.queue}:{queued.at.isoformat()}"
    # Of a message to one person the id is that of its header, as its sender knows it.
    if queued.recipients > 1:
        number = f"{number}:{found.recipient.lower()}"
    sender = queued.sender or ""
    yield _told(number, found.recipient, sender, queued.at, "sent", None)
    fate = event if found.gone else _lost(event, found.dsn)
    yield _told(number, found.recipient, sender, found.at, fate, found.dsn)


def _told(
    number: str, recipient: str, sender: str, at: datetime, event: str, dsn: str | None
) -> Told:
    number = number.strip("<>")
    when = "" if event == "sent" else f":{at.isoformat()}"
    known_as = "bounced" if event == "dropped" else event  # one end, whichever of them it is
    return Told(
        "smtp",
        f"smtp:{number}:{known_as}{when}",
        number,
        at,
        event,
        (sender,),
        email=recipient.strip("<>"),
        reason=dsn if event in ("bounced", "dropped", "deferred") else None,
    )


def _event(status: str | None, dsn: str | None) -> str:
    word = (status or "").lower()
    event = "sent" if word == "queued" else _FATES.get(word) or _CLASSES.get((dsn or "")[:1])
    if event is None:
        raise BadValue("status", status, "is no status of a delivery, and dsn is no RFC 3463 code")
    return _lost(event, dsn)


def _lost(event: str, dsn: str | None) -> str:
    """The event, where the code says that the mailbox may well be there: dropped, not bounced.

    Whom something bounced from is not written to again.
    """
    return "dropped" if event == "bounced" and dsn and dsn not in MAILBOX_GONE else event


def _lines(file: DropFile, stream: BinaryIO) -> Iterator[str]:
    source = unpacked(file.name, stream)
    mark = "\ufeff"  # which spreadsheets write before the first name of a table
    while line := source.readline(LONGEST_LINE):
        # Bytes that are no UTF-8 come from others' servers; none of them is kept.
        yield line.decode("utf-8", "replace").removeprefix(mark).rstrip("\r\n")
        mark = ""


def _records(name: str, lines: Iterable[str], form: str) -> Iterator[tuple[int, Any]]:
    if form == ".csv":
        try:
            yield from enumerate(csv.DictReader(lines), start=2)
        except csv.Error as error:
            changed(name, "is no CSV", error)
        return
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError:
                yield number, {}
