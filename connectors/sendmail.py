"""Sendmail's log: which message was taken from whom, and what became of each delivery.

A line for each message (`from=`, `nrcpts=`, `msgid=`) and one for each attempt to deliver it
(`to=`, `dsn=`, `stat=`), by syslog: Sendmail Installation and Operation Guide, "The System Log".
"""

import re
from collections.abc import Iterable, Iterator

from connectors.postfix import Clock, Delivery, Key, Queued, instant
from connectors.shapes import BadValue

_LINE = re.compile(
    r"^(?P<time>\d{4}-\d\d-\d\dT\S+|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (?P<host>\S+) "
    r"(?:sendmail|sm-mta|sm-msp-queue)\[\d+\]: (?P<queue>[0-9A-Za-z]{6,}): (?P<rest>.*)$"
)
_FROM = re.compile(r"^from=<?([^,>\s]*)>?,.*?\bnrcpts=(\d+)")
_MESSAGE_ID = re.compile(r"\bmsgid=<?([^,<>\s]+)>?")
_TO = re.compile(r"^to=(?P<to>.*?), (?:ctladdr|delay)=.*?\bstat=(?P<stat>.*)$")
_DSN = re.compile(r"\bdsn=([245]\.\d{1,3}\.\d{1,3})\b")
# Handed to its own other half on this computer: that one's lines say what became of it.
_TO_ITSELF = re.compile(r"\brelay=\S* ?\[(?:127\.0\.0\.1|IPv6:::1|::1)\]")
_CLASSES = {"2": "sent", "4": "deferred", "5": "bounced"}
_WORDS = {"Sent": "sent", "Deferred": "deferred", "queued": ""}


def deliveries(lines: Iterable[str], clock: Clock) -> Iterator[tuple[int, Delivery | BadValue]]:
    """Every delivery of a log with the number of its line, in order."""
    queue: dict[Key, Queued] = {}
    for number, line in enumerate(lines, start=1):
        found = _LINE.match(line)
        if found is None:
            continue
        key, rest = (found["host"], found["queue"]), found["rest"]
        try:
            at = instant(found["time"], clock)
        except BadValue as bad:
            yield number, bad
            continue
        if taken := _taken(rest, found, clock):
            queue[key] = taken
        elif delivered := _TO.match(rest):
            dsn, status = _DSN.search(rest), _status(rest, delivered["stat"])
            if status and not _TO_ITSELF.search(rest):
                for recipient in delivered["to"].split(","):
                    yield (
                        number,
                        Delivery(
                            at, *key, recipient.strip("<> "), status,
                            dsn[1] if dsn else None, queue.get(key),
                        ),
                    )  # fmt: skip


def queued(lines: Iterable[str], clock: Clock) -> Iterator[tuple[Key, Queued]]:
    """Every message that a log says was taken."""
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        try:
            taken = _taken(found["rest"], found, clock)
        except BadValue:
            continue  # told where that file is read
        if taken is not None:
            yield (found["host"], found["queue"]), taken


def holds(line: str) -> bool:
    """Whether a line is one of Sendmail's."""
    return _LINE.match(line) is not None


def _taken(rest: str, found: re.Match[str], clock: Clock) -> Queued | None:
    sent = _FROM.match(rest)
    if sent is None:
        return None
    named = _MESSAGE_ID.search(rest)
    at = instant(found["time"], clock)
    return Queued(at, named[1] if named else None, sent[1], max(int(sent[2]), 1))


def _status(rest: str, said: str) -> str:
    """What an attempt came to; "" where it was none yet."""
    word = said.split(" ")[0].rstrip(":")
    if word in _WORDS:
        return _WORDS[word]
    dsn = _DSN.search(rest)
    return _CLASSES[dsn[1][0]] if dsn else "bounced"
