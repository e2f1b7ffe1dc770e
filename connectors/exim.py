"""Exim's main log: which message arrived from whom, and what became of each delivery.

A line for each arrival (`<=`) and delivery (`=>`, `->`, `>>`; `**` failed; `==` deferred), in a
file of its own or by syslog: The Exim Specification, chapter "Log files", sections "Log line
flags", "Logging message reception" and "Logging deliveries". How many a message goes to is told
only with `log_selector = +received_recipients`; else each is taken to go to one person.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from connectors.postfix import Clock, Delivery, Key, NoZone, Queued
from connectors.shapes import BadValue

_LINE = re.compile(
    r"^(?:\S+(?: [ \d]?\d \d\d:\d\d:\d\d)? (?P<host>\S+) exim\S*\[\d+\]: )?"
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?: [+-]\d{4})?) (?:\[\d+\] )?"
    r"(?P<queue>[0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4}) (?P<rest>.*)$"
)
_FROM = re.compile(r"^<= (\S+)")
_MESSAGE_ID = re.compile(r" id=<?([^<>\s]+)>?")
_FOR = re.compile(r" for ((?:\S+@\S+ ?)+)$")
# What was delivered to, and where that is a mailbox or a pipe, the address that it stands for.
_TO = re.compile(
    r"^(?P<flag>=>|->|>>|\*\*|==) (?P<to>\S+?)(?::|\s|$)(?:\(\S+\) )?(?:<(?P<of>[^>]+)>)?"
)
_STATUS = {"=>": "sent", "->": "sent", ">>": "sent", "**": "bounced", "==": "deferred"}
_EXPIRED = "retry timeout exceeded"
_DSN = re.compile(r"\b[45]\d\d[ -]([45]\.\d{1,3}\.\d{1,3})\b")


def deliveries(lines: Iterable[str], clock: Clock) -> Iterator[tuple[int, Delivery | BadValue]]:
    """Every delivery of a log with the number of its line, in order."""
    queue: dict[Key, Queued] = {}
    for number, line in enumerate(lines, start=1):
        found = _LINE.match(line)
        if found is None:
            continue
        key, rest = (found["host"] or "", found["queue"]), found["rest"]
        try:
            at = _instant(found["time"], clock)
        except BadValue as bad:
            yield number, bad
            continue
        if arrived := _arrived(rest, at):
            queue[key] = arrived
        elif rest.startswith("Completed"):
            queue.pop(key, None)
        elif delivered := _TO.match(rest):
            dsn, status = _DSN.search(rest), _STATUS[delivered["flag"]]
            if status == "bounced" and _EXPIRED in rest:
                status = "expired"
            yield (
                number,
                Delivery(
                    at, *key, delivered["of"] or delivered["to"], status,
                    dsn[1] if dsn else None, queue.get(key),
                ),
            )  # fmt: skip


def queued(lines: Iterable[str], clock: Clock) -> Iterator[tuple[Key, Queued]]:
    """Every message that a log says arrived."""
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        try:
            arrived = _arrived(found["rest"], _instant(found["time"], clock))
        except BadValue:
            continue  # told where that file is read
        if arrived is not None:
            yield (found["host"] or "", found["queue"]), arrived


def holds(line: str) -> bool:
    """Whether a line is one of Exim's, about a message."""
    return _LINE.match(line) is not None


def _arrived(rest: str, at: datetime) -> Queued | None:
    sent = _FROM.match(rest)
    if sent is None:
        return None
    named, recipients = _MESSAGE_ID.search(rest), _FOR.search(rest)
    sender = "" if sent[1] == "<>" else sent[1]
    people = len(recipients[1].split()) if recipients else 1
    return Queued(at, named[1] if named else None, sender, people)


def _instant(said: str, clock: Clock) -> datetime:
    """Exim writes the clock of its computer, with the offset only if `log_timezone` is set."""
    try:
        at = datetime.fromisoformat("".join(said.rsplit(" ", said.count(" ") - 1)))
    except ValueError:
        raise BadValue("time", said, "is not an instant") from None
    if at.tzinfo is None:
        if clock.zone is None:
            raise NoZone
        at = at.replace(tzinfo=clock.zone)
    return at.astimezone(UTC)
