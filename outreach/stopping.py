"""Stops: addresses that told us directly that they want no more, honoured from that moment on."""

import re
from collections.abc import Iterable

from attribution.doors import door
from attribution.normal import phone
from attribution.paths import Home
from attribution.settings import Settings
from outreach.outbox import Outbox, Stop

REACHED_BY = {"email": ("email",), "phone": ("sms", "call")}
_SAME_ADDRESS = dict.fromkeys(REACHED_BY["phone"], REACHED_BY["phone"])
_KEY = re.compile(r"[0-9a-f]{32}")
# What mail programs and tables put around an address; inside of one it would be another's.
_AROUND = " \t\"'<>,;"
_NO_ADDRESS = re.compile(r"[\s\"<>,;]|^mailto:", re.IGNORECASE)


def stop(home: Home, settings: Settings, outbox: Outbox, lines: Iterable[str]) -> tuple[int, int]:
    """Stop every e-mail address and phone number among some lines, for every purpose.

    A line may also be the key of a message, as a link to unsubscribe has it: then it is the address
    that the message went to. Returns how many were stopped and how many lines were neither. Only
    hashes are kept.
    """
    hashed = door(home, settings)
    rows: list[Stop] = []
    done = unread = 0
    for line in (text.strip().strip(_AROUND) for text in lines):
        if not line:
            continue
        if _KEY.fullmatch(line.lower()):
            sent = outbox.rows("select identifier, channel from message where key = ?",
                               (line.lower(),))  # fmt: skip
            done, unread = done + bool(sent), unread + (not sent)
            rows += [
                Stop(each["identifier"], channel)
                for each in sent
                for channel in _SAME_ADDRESS.get(each["channel"], (each["channel"],))
            ]
            continue
        kind = "email" if "@" in line else "phone" if phone(line, settings.region) else ""
        # Some that are no address have a hash all the same, and nobody is known by it.
        could_be = kind and not (kind == "email" and _NO_ADDRESS.search(line))
        known = hashed.hash(kind, line) if could_be else None
        if known is None:
            unread += 1
            continue
        done += 1
        rows += [Stop(known, channel) for channel in REACHED_BY[kind]]
    outbox.stop(rows)
    return done, unread
