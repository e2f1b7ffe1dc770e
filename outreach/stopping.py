"""Stops: addresses that told us directly that they want no more, honoured from that moment on."""

from collections.abc import Iterable

from attribution.normal import phone
from attribution.paths import Home
from attribution.placeholders import placeholders
from attribution.privacy import Door, load_key
from attribution.settings import Settings
from outreach.outbox import Outbox

_CHANNELS = {"email": ("email",), "phone": ("sms", "call")}


def stop(home: Home, settings: Settings, outbox: Outbox, lines: Iterable[str]) -> tuple[int, int]:
    """Stop every e-mail address and phone number among some lines, for every purpose.

    Returns how many were stopped and how many lines were neither. Only hashes are kept.
    """
    door = Door(
        load_key(home),
        settings.region,
        placeholders=placeholders(home.folder),
        plus=settings.identity.plus_addresses,
        dots=settings.identity.gmail_dots,
    )
    rows: list[tuple[int | None, str | None, str, str, bool, str]] = []
    done = unread = 0
    for line in (text.strip() for text in lines):
        if not line:
            continue
        kind = "email" if "@" in line else "phone" if phone(line, settings.region) else ""
        known = door.hash(kind, line) if kind else None
        if known is None:
            unread += 1
            continue
        done += 1
        rows += [(None, known, channel, "", False, "told us") for channel in _CHANNELS[kind]]
    outbox.stop(rows)
    return done, unread
