"""Twilio's messages as contract rows: what went out, what came back, and who wants no more."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

from connectors.contract import Row, Touchpoint
from connectors.flows import Flows
from connectors.keywords import wish_in
from connectors.message_formats import STOPPED, channel_of, twilio_event
from connectors.message_rows import Told, needed, rows_of, text, wish
from connectors.shapes import BadValue

# Who writes this long after a message answers it; later, they write of their own accord.
ANSWERED_WITHIN = timedelta(days=3)

_ARRIVED = frozenset({"delivered", "read", "partially_delivered"})
_LEFT = frozenset({"sent", "undelivered", *_ARRIVED})


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that went out, as far as its answers need it."""

    at: datetime
    sid: str
    names: tuple[str, ...]


@dataclass(slots=True)
class Threads:
    """What was sent to each number, and what came in from it and is no keyword."""

    sent: dict[tuple[str, str], list[Sent]] = field(default_factory=lambda: defaultdict(list))
    came: list[Told] = field(default_factory=list)

    def rows(self, flows: Flows) -> Iterator[Row]:
        """Each incoming message as the answer that it is, or as a touch of its own."""
        for out in self.sent.values():
            out.sort(key=lambda sent: (sent.at, sent.sid))
        for told in self.came:
            answered = self._answered(told)
            if answered is None:
                yield Touchpoint(
                    touch_id=f"touch-{told.event_id}", at=told.at, kind="sms", phone=told.phone,
                    utm_source="twilio", utm_medium=told.channel,
                )  # fmt: skip
                continue
            reply = Told(
                "twilio", told.event_id, answered.sid, told.at, "replied", answered.names,
                told.channel, phone=told.phone,
            )  # fmt: skip
            yield from rows_of(reply, flows)

    def _answered(self, told: Told) -> Sent | None:
        out = self.sent.get((told.channel, told.phone or ""), [])
        place = bisect_right(out, told.at, key=lambda sent: sent.at)
        if not place or told.at - out[place - 1].at > ANSWERED_WITHIN:
            return None
        return out[place - 1]


def rows(said: Mapping[str, Any], threads: Threads, start: datetime, flows: Flows) -> Iterator[Row]:
    """What one message tells by itself; those of before `start` are only remembered."""
    if needed(said, "direction") == "inbound":
        yield from _incoming(said, threads, start)
        return
    status = needed(said, "status").lower()
    sid, at = needed(said, "sid"), _instant(said, "date_sent") or _instant(said, "date_created")
    if at is None:
        raise BadValue("date_sent", None, "is missing")
    channel, phone = channel_of(text(said, "to"))
    names = tuple(n for n in (text(said, "messaging_service_sid"), text(said, "from")) if n)
    if status in _LEFT:
        threads.sent[channel, phone or ""].append(Sent(at, sid, names))
    if at < start:
        return
    for told in _events(said, status, Told("twilio", "", sid, at, "", names, channel, None, phone)):
        yield from rows_of(told, flows)


def _events(said: Mapping[str, Any], status: str, base: Told) -> Iterator[Told]:
    """What has happened to a message by now: Twilio tells its last state and when that came."""
    error = text(said, "error_code")
    event = twilio_event(status, error)
    if event is None:  # still on its way; it is read again
        return
    updated = _instant(said, "date_updated") or base.at
    price = _price(said)
    if status in _LEFT:
        yield _told(base, "sent", base.at, price=price, said=said)
    if status == "read":
        yield _told(base, "delivered", updated)
    if event != "sent":
        unsent = price if status not in _LEFT else None
        yield _told(base, event, updated, reason=error, price=unsent, said=said)
    if error == STOPPED:
        yield _told(base, "stopped", updated)  # nobody read it: it is no opt-out of this message


def _told(
    base: Told,
    event: str,
    at: datetime,
    *,
    reason: str | None = None,
    price: Decimal | None = None,
    said: Mapping[str, Any] | None = None,
) -> Told:
    return Told(
        base.vendor, f"twilio:{base.message_id}:{event}", base.message_id, at, event, base.names,
        base.channel, phone=base.phone, reason=reason, cost=price,
        currency=(text(said, "price_unit") or "USD").upper() if price is not None else None,
    )  # fmt: skip


def _incoming(said: Mapping[str, Any], threads: Threads, start: datetime) -> Iterator[Row]:
    at = _instant(said, "date_sent") or _instant(said, "date_created")
    if at is None:
        raise BadValue("date_sent", None, "is missing")
    if at < start:
        return
    sid = needed(said, "sid")
    channel, phone = channel_of(text(said, "from"))
    told = Told("twilio", f"twilio:{sid}:replied", sid, at, "replied", (), channel, None, phone)
    said_so = wish_in(text(said, "body"))
    if said_so is not None:
        yield wish(told, allowed=said_so[0], how=said_so[1])
    else:
        threads.came.append(told)


def _instant(said: Mapping[str, Any], name: str) -> datetime | None:
    """Twilio writes instants as e-mails do: `Thu, 01 Jan 2026 10:00:00 +0000`."""
    value = text(said, name)
    if value is None:
        return None
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        raise BadValue(name, value, "is not an instant") from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _price(said: Mapping[str, Any]) -> Decimal | None:
    """What it cost; Twilio writes it as a negative amount, and later than the rest."""
    value = text(said, "price")
    if value is None:
        return None
    try:
        price = -Decimal(value)
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite():
        raise BadValue("price", value, "is not an amount")
    return price
