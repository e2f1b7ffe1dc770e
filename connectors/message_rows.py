"""What vendors tell of messages as contract rows: events, the touches they are, and opt-outs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from connectors.contract import MessageEvent, Preference, Row, Touchpoint
from connectors.flows import Flows
from connectors.moments import YEARS
from connectors.shapes import BadValue

ROWS: tuple[type[Row], ...] = (MessageEvent, Touchpoint, Preference)

# What a person did with a mailing, as a touch.
_TOUCH = {
    ("email", "opened"): "email_open",
    ("email", "clicked"): "email_click",
    ("sms", "clicked"): "sms",
    ("sms", "replied"): "sms",
}
# RFC 3463, sections 3.2, 3.3 and 3.5: no such mailbox, no such domain, moved, disabled. Other codes
# speak of the message, of policy or of the sender, and say nothing of whether somebody is there.
MAILBOX_GONE = ("5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.4")
NO_CODE = "5.0.0"  # what mail servers write where the other one gave no code of RFC 3463
# What happens to a person, not to a message: that they want mail again, or have said before that
# they want none.
_OF_PEOPLE = ("resubscribed", "stopped")
_WISHES = {
    "unsubscribed": (False, "unsubscribed"),
    "stopped": (False, "unsubscribed"),
    "complained": (False, "complained of spam"),
    "resubscribed": (True, "subscribed again"),
}


@dataclass(slots=True)  # not frozen: that takes thrice as long, and there are millions
class Told:
    """One thing that a vendor says happened to one message to one person."""

    vendor: str
    event_id: str
    message_id: str
    at: datetime
    event: str  # of MESSAGE_EVENTS or _OF_PEOPLE
    names: tuple[str, ...] = ()  # by which the vendor knows the campaign, the closest first
    channel: str = "email"
    email: str | None = None
    phone: str | None = None
    machine: bool = False
    reason: str | None = None
    currency: str | None = None
    cost: Decimal | None = None


def rows_of(told: Told, flows: Flows) -> Iterator[Row]:
    """The event, the touch it is if it is one, and the wish that it expresses if any."""
    flow = flows.of(told.names)
    if told.event not in _OF_PEOPLE:
        yield MessageEvent(
            event_id=told.event_id,
            message_id=told.message_id,
            at=told.at,
            event=told.event,
            channel=told.channel,
            flow=flow.flow,
            purpose=flow.purpose,
            mailing=flow.mailing,
            machine=told.machine,
            email=told.email,
            phone=told.phone,
            reason=told.reason,
            currency=told.currency,
            cost=told.cost,
        )
    kind = _TOUCH.get((told.channel, told.event))
    if kind and flow.mailing and flow.purpose == "marketing" and not told.machine:
        yield Touchpoint(
            touch_id=f"touch-{told.event_id}",
            at=told.at,
            kind=kind,
            email=told.email,
            phone=told.phone,
            utm_source=told.vendor,
            utm_medium=told.channel,
            utm_campaign=flow.flow,
        )
    if told.event in _WISHES:
        allowed, how = _WISHES[told.event]
        yield wish(told, allowed=allowed, how=how)


def wish(told: Told, *, allowed: bool, how: str) -> Preference:
    """That a person wants marketing by this channel, or none."""
    return Preference(
        preference_id=f"wish-{told.event_id}",
        channel=told.channel,
        purpose="marketing",
        allowed=allowed,
        since=told.at,
        how=f"{how} ({told.vendor})",
        email=told.email,
        phone=told.phone,
    )


def text(said: Any, name: str) -> str | None:
    """A text or number of a record, None where it has none."""
    value = said.get(name) if isinstance(said, dict) else None
    if isinstance(value, str):
        return value.strip() or None
    # A number, but neither true nor false, which are numbers to Python.
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def needed(said: Any, name: str) -> str:
    """A text that a row cannot do without."""
    value = text(said, name)
    if value is None:
        raise BadValue(name, None, "is missing")
    return value


def instant(said: Any, name: str) -> datetime:
    """An instant: ISO 8601 with a zone, or seconds or milliseconds since 1970."""
    value = needed(said, name)
    try:
        number: float | None = float(value)
    except ValueError:
        number = None
    try:
        if number is not None:
            at = datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
        else:
            at = datetime.fromisoformat(value)
    except (ValueError, OverflowError, OSError):
        raise BadValue(name, value, "is not an instant") from None
    if at.tzinfo is None:
        raise BadValue(name, value, "is an instant without a time zone")
    if not YEARS[0] <= at.year <= YEARS[1]:  # collectors write 0001-01-01 for what was not told
        raise BadValue(name, value, f"is outside the years {YEARS[0]}-{YEARS[1]}")
    return at.astimezone(UTC)
