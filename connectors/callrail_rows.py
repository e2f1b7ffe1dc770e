"""CallRail's calls, milestones and form submissions as contract rows.

CallRail always sends names, cities, recordings and what people typed into forms along; none of
that is read here, and nothing of its answers is kept as fetched.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.columns import MOST_MONEY
from connectors.contract import Call, Touchpoint

CALL_FIELDS = (
    "call_type", "campaign", "company_id", "first_call", "gclid", "lead_status", "medium",
    "milestones", "person_id", "source", "spam", "tags", "utm_campaign", "utm_medium",
    "utm_source", "value",
)  # fmt: skip
FORM_FIELDS = (
    "campaign", "company_id", "medium", "person_id", "source", "utm_campaign", "utm_medium",
    "utm_source",
)  # fmt: skip

# Who hangs up sooner has not waited to be answered.
PATIENT_SECONDS = 15

# A visit to the web site shortly before a call is the visit that the number was dialled from.
SAME_VISIT = timedelta(minutes=30)

# The moments of a person that CallRail tells with each call; the other two, "lead_created" and
# "qualified", are calls and forms themselves.
VISITS = ("first_touch", "last_touch")


class BadValue(Exception):
    """A value that a contract row cannot hold."""

    def __init__(self, column: str, value: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.value = value
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Names:
    """What CallRail does not know about its companies."""

    currency: str
    locations: Mapping[str, str]  # company -> location
    service_lines: Mapping[str, str]
    milestones: bool


def call_rows(said: Mapping[str, Any], names: Names) -> Iterator[Call | Touchpoint]:
    """A call, and the earlier visits of the caller."""
    row = _call(said, names)
    yield row
    if row.outcome != "spam" and names.milestones:
        yield from _visits(said, row)


def form(said: Mapping[str, Any], names: Names) -> Touchpoint:
    """A form that somebody sent; what they wrote into it stays at CallRail."""
    company = optional_text(said, "company_id") or ""
    source, medium, campaign = _utm(said)
    return Touchpoint(
        touch_id=needed_text(said, "id"),
        at=needed(said, "submitted_at"),
        kind="form",
        email=optional_text(said, "customer_email"),
        phone=optional_text(said, "customer_phone_number"),
        client_id=optional_text(said, "person_id"),
        utm_source=source,
        utm_medium=medium,
        utm_campaign=campaign,
        service_line=names.service_lines.get(company),
        location=names.locations.get(company),
    )


def is_outbound(said: Mapping[str, Any]) -> bool:
    """Whether the clinic called; such a call is nobody's inquiry."""
    return "outbound" in (said.get("direction"), said.get("call_type"))


def _call(said: Mapping[str, Any], names: Names) -> Call:
    company = optional_text(said, "company_id") or ""
    seconds = _seconds(said)
    outcome = _outcome(said, seconds)
    spam = outcome == "spam"
    source, medium, campaign = _utm(said)
    value = _amount(said, "value")
    return Call(
        call_id=needed_text(said, "id"),
        started_at=needed(said, "start_time"),
        seconds=seconds,
        answered=outcome == "answered",
        # Who sends spam is nobody whom a later call should join.
        phone=None if spam else optional_text(said, "customer_phone_number"),
        client_id=None if spam else optional_text(said, "person_id"),
        first_time_caller=_flag(said, "first_call"),
        utm_source=source,
        utm_medium=medium,
        utm_campaign=campaign,
        tags="|".join(_tags(said)) or None,
        currency=names.currency if value is not None else None,
        value=value,
        service_line=names.service_lines.get(company),
        location=names.locations.get(company),
        tracking_number=optional_text(said, "tracking_phone_number"),
        outcome=outcome,
        lead_status=optional_text(said, "lead_status"),
        click_id=None if spam else optional_text(said, "gclid"),
    )


def _outcome(said: Mapping[str, Any], seconds: int) -> str:
    if _flag(said, "spam"):
        return "spam"
    if _flag(said, "voicemail"):
        return "voicemail"
    if _flag(said, "answered"):
        return "answered"
    return "abandoned" if seconds < PATIENT_SECONDS else "missed"


def _visits(said: Mapping[str, Any], call: Call) -> Iterator[Touchpoint]:
    """The first and the last visit, unless a call or form of the same half hour tells it already.

    The same visit comes with every call of a person; its id makes it one touch. So only what is
    known to the call itself may decide, or a later reading would decide otherwise.
    """
    milestones = said.get("milestones")
    if not isinstance(milestones, dict):
        return
    created = _milestone_at(milestones.get("lead_created"))
    told = [moment for moment in (call.started_at, created) if moment is not None]
    for name in VISITS:
        at = _milestone_at(milestones.get(name))
        if at is None or at > call.started_at:
            continue
        if any(timedelta(0) <= moment - at <= SAME_VISIT for moment in told):
            continue
        milestone = milestones[name]
        landing = milestone.get("landing_page_url_params")
        source, medium, campaign = _utm({**milestone, **_mapping(milestone, "url_utm_params")})
        yield Touchpoint(
            touch_id=f"callrail-visit-{call.client_id or call.call_id}-{at.isoformat()}",
            at=at,
            kind="session",
            phone=call.phone,
            client_id=call.client_id,
            click_id=optional_text(landing, "gclid") if isinstance(landing, dict) else None,
            utm_source=source,
            utm_medium=medium,
            utm_campaign=campaign,
            service_line=call.service_line,
            location=call.location,
        )


def _milestone_at(milestone: Any) -> datetime | None:
    return _instant(milestone, "event_date") if isinstance(milestone, dict) else None


def _utm(said: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    """The tags of the link where it had any, else CallRail's own names."""
    if tagged := optional_text(said, "utm_source"):
        return tagged, optional_text(said, "utm_medium"), optional_text(said, "utm_campaign")
    return (
        optional_text(said, "source"),
        optional_text(said, "medium"),
        optional_text(said, "campaign"),
    )


def _tags(said: Mapping[str, Any]) -> list[str]:
    """Tags by name; some versions of the API send objects."""
    found = said.get("tags")
    names = [tag.get("name") if isinstance(tag, dict) else tag for tag in found or ()]
    return sorted({str(name).replace("|", "/").strip() for name in names if name})


def _mapping(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = said.get(name)
    return found if isinstance(found, dict) else {}


def optional_text(said: Mapping[str, Any], name: str) -> str | None:
    """A text, or a number as text; None where it is empty."""
    value = said.get(name)
    return (str(value).strip() or None) if value is not None else None


def _flag(said: Mapping[str, Any], name: str) -> bool | None:
    value = said.get(name)
    return None if value is None else value is True or str(value).lower() == "true"


def needed_text(said: Mapping[str, Any], name: str) -> str:
    """A text that the row cannot do without; raises BadValue."""
    value = optional_text(said, name)
    if value is None:
        raise BadValue(name, "", "this number is required")
    return value


def _seconds(said: Mapping[str, Any]) -> int:
    """A call that goes on while it is read has no length yet."""
    value = optional_text(said, "duration") or "0"
    if not (value.isascii() and value.isdigit()):
        raise BadValue("duration", value, "this is not a number of seconds")
    return int(value)


def needed(said: Mapping[str, Any], name: str) -> datetime:
    """An instant that the row cannot do without; raises BadValue."""
    value = _instant(said, name)
    if value is None:
        raise BadValue(name, "", "this instant is required")
    return value


def _instant(said: Mapping[str, Any], name: str) -> datetime | None:
    value = optional_text(said, name)
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value.replace(" UTC", "+00:00"))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise BadValue(name, value, "this is not an instant with its time zone")
    return at.astimezone(UTC)


def _amount(said: Mapping[str, Any], name: str) -> Decimal | None:
    value = optional_text(said, name)
    if value is None:
        return None
    try:
        amount = Decimal(value.removeprefix("$").replace(",", ""))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or abs(amount) > MOST_MONEY:
        raise BadValue(name, value, "this is not an amount")
    return amount
