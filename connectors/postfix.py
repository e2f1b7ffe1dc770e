"""Postfix's log: which message was queued from whom, and what became of each delivery."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from connectors.message_rows import NO_CODE
from connectors.shapes import BadValue

_LINE = re.compile(
    r"^(?P<time>\d{4}-\d\d-\d\dT\S+|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (?P<host>\S+) "
    r"postfix[^\s/]*/(?:\w+/)?(?P<daemon>\w+)\[\d+\]: (?P<queue>[0-9A-Za-z]{5,}): (?P<rest>.*)$"
)
_MESSAGE_ID = re.compile(r"^(?:resent-)?message-id=<?([^<>\s]+)>?")
_FROM = re.compile(r"^from=<([^>]*)>.*?\bnrcpt=(\d+)")
_TO = re.compile(r"^to=<([^>]*)>.*?\bstatus=([a-z]+)")
_DSN = re.compile(r"\bdsn=([245]\.\d{1,3}\.\d{1,3})\b")
# RFC 5321, section 4.2.3: what is said of a mailbox, and not of the sender, relaying or the text.
_NO_MAILBOX = re.compile(
    r"\bsaid: 55[013][ -](?!.*\brelay)(?!.*\(in reply to (?!RCPT TO))", re.IGNORECASE
)
_QUEUED_AS = re.compile(r"\bqueued as ([0-9A-Za-z]{5,})\)")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# Postfix gives up after five days unless told otherwise.
LONGEST_IN_QUEUE = timedelta(days=14)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Clock:
    """How times without a year and a zone are read: as the last such moment before `until`."""

    zone: tzinfo | None
    until: datetime


class NoZone(Exception):
    """A time without a zone, and no setting that says which is meant."""


@dataclass(slots=True)
class Queued:
    """A message in the queue, as far as the lines so far tell."""

    at: datetime
    message_id: str | None = None
    sender: str | None = None
    recipients: int = 1


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to hand a message to one recipient's server."""

    at: datetime
    host: str
    queue: str
    recipient: str
    status: str  # sent, bounced, deferred, expired ...
    dsn: str | None
    queued: Queued | None  # None where the message was queued in another file
    gone: bool = False  # that no mailbox is there is told, but not by `dsn`


Key = tuple[str, str]


def deliveries(lines: Iterable[str], clock: Clock) -> Iterator[tuple[int, Delivery | BadValue]]:
    """Every delivery of a log with the number of its line, in order."""
    queue: dict[Key, Queued] = {}
    for number, line in enumerate(lines, start=1):
        found = _LINE.match(line)
        if found is None:
            continue
        rest = found["rest"]
        key = found["host"], found["queue"]
        try:
            if rest == "removed":
                queue.pop(key, None)
            elif delivered := _TO.match(rest):
                # Handed back by a filter on this computer: its new number tells its fate.
                again = _QUEUED_AS.search(rest)
                if again and again[1] != key[1] and (key[0], again[1]) in queue:
                    continue
                dsn = _DSN.search(rest)
                code = dsn[1] if dsn else None
                yield (
                    number,
                    Delivery(
                        instant(found["time"], clock), *key, delivered[1], delivered[2],
                        code, queue.get(key),
                        gone=code == NO_CODE and _NO_MAILBOX.search(rest) is not None,
                    ),
                )  # fmt: skip
            else:
                _note(queue, key, rest, found["time"], clock)
        except BadValue as bad:
            yield number, bad


def queued(lines: Iterable[str], clock: Clock) -> Iterator[tuple[Key, Queued]]:
    """Every message that a log says was queued."""
    queue: dict[Key, Queued] = {}
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        key = found["host"], found["queue"]
        try:
            if found["rest"] == "removed":
                if key in queue:
                    yield key, queue.pop(key)
            else:
                _note(queue, key, found["rest"], found["time"], clock)
        except BadValue:
            continue  # told where that file is read
    yield from queue.items()


def _note(queue: dict[Key, Queued], key: Key, rest: str, said: str, clock: Clock) -> None:
    """What a line tells of a message before it is delivered."""
    if named := _MESSAGE_ID.match(rest):
        # The first line of a message: its queue id may have been another's before.
        queue[key] = Queued(instant(said, clock), named[1])
    elif sent := _FROM.match(rest):
        message = queue.get(key) or queue.setdefault(key, Queued(instant(said, clock)))
        message.sender, message.recipients = sent[1], int(sent[2])


def holds_postfix(line: str) -> bool:
    """Whether a line is one of Postfix's."""
    return (
        "postfix" in line and re.search(r"postfix[^\s/]*/(?:\w+/)?\w+\[\d+\]: ", line) is not None
    )


def instant(said: str, clock: Clock) -> datetime:
    """An instant as syslog writes it: with year and zone, or with neither."""
    if said[0].isdigit():
        try:
            at = datetime.fromisoformat(said)
        except ValueError:
            raise BadValue("time", said, "is not an instant") from None
        if at.tzinfo is None:
            raise BadValue("time", said, "is an instant without a time zone")
        return at.astimezone(UTC)
    if clock.zone is None:
        raise NoZone
    hour, minute, second = (int(part) for part in said[7:].split(":"))
    latest = clock.until.astimezone(clock.zone).year
    for year in range(latest + 1, latest - 5, -1):  # a leap day may be four years back
        try:
            month = _MONTHS.index(said[:3]) + 1
            at = datetime(year, month, int(said[4:6]), hour, minute, second, tzinfo=clock.zone)
        except ValueError:
            continue
        if at <= clock.until + _DAY:
            return at.astimezone(UTC)
    raise BadValue("time", said, "is not an instant")
