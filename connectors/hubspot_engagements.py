"""HubSpot's activities as contract rows: calls that came in, e-mails that came in, and meetings.

Subjects, texts, notes, titles and recordings are not asked for. What is none of them now may have
been one before it was changed or put away: then a row of nobody takes the place of that.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.contract import Call, Row, Touchpoint
from connectors.crm_fields import instant, needed, no_call, no_touch, text
from connectors.shapes import BadValue

MODIFIED, MADE = "hs_lastmodifieddate", "hs_createdate"
CALL_PROPERTIES = (
    "hs_timestamp", MODIFIED, MADE, "hs_call_direction", "hs_call_duration", "hs_call_status",
    "hs_call_disposition", "hs_call_from_number",
)  # fmt: skip
EMAIL_PROPERTIES = (
    "hs_timestamp", MODIFIED, MADE, "hs_email_direction", "hs_email_from_email",
)  # fmt: skip
MEETING_PROPERTIES = (
    "hs_timestamp", MODIFIED, MADE, "hs_meeting_start_time", "hs_meeting_outcome",
)  # fmt: skip

KEYS = {"calls": "hubspot-call-", "emails": "hubspot-email-", "meetings": "hubspot-meeting-"}

# HubSpot's own outcomes of a call in which nobody was spoken to.
_OUTCOMES = {
    "9d9162e7-6cf3-4944-bf63-4dff82258764": "missed",  # busy
    "b2cf5968-551e-4856-9783-52b3da59a7d0": "voicemail",  # left voicemail
    "73a0d17f-1163-4015-bdd5-ec830791da20": "missed",  # no answer
}
_STATES = {"COMPLETED": "answered", "CANCELED": "abandoned"}


def key(part: str, said: Mapping[str, Any]) -> str:
    """The key of an activity's row."""
    return f"{KEYS[part]}{said['id']}"


def call(said: Mapping[str, Any], contact_id: str | None) -> Row | None:
    """A call that came in; what staff dialled is no contact with marketing."""
    of = said["properties"]
    if text(of, "hs_call_direction") != "INBOUND":
        return _changed("calls", said)
    status = text(of, "hs_call_status") or "COMPLETED"
    logged = _OUTCOMES.get(text(of, "hs_call_disposition") or "")
    outcome = logged or _STATES.get(status, "missed")
    return Call(
        call_id=key("calls", said),
        started_at=needed(of, "hs_timestamp"),
        seconds=_milliseconds(of, "hs_call_duration") // 1000,
        answered=outcome == "answered",
        phone=text(of, "hs_call_from_number"),
        updated_at=instant(of, MODIFIED),
        crm_id=contact_id,
        outcome=outcome,
    )


def email(said: Mapping[str, Any], contact_id: str | None) -> Row | None:
    """An e-mail that a person wrote."""
    of = said["properties"]
    sender = text(of, "hs_email_from_email")
    if text(of, "hs_email_direction") != "INCOMING_EMAIL" or not (sender or contact_id):
        return _changed("emails", said)
    return Touchpoint(
        touch_id=key("emails", said),
        at=needed(of, "hs_timestamp"),
        kind="chat",  # a conversation: it is no click, and no form that makes a lead
        email=sender,
        crm_id=contact_id,
        utm_source="hubspot",
        utm_medium="email",
        updated_at=instant(of, MODIFIED),
    )


def meeting(said: Mapping[str, Any], contact_id: str | None) -> Row | None:
    """A meeting that took place with a known contact."""
    of = said["properties"]
    if text(of, "hs_meeting_outcome") != "COMPLETED" or contact_id is None:
        return _changed("meetings", said)
    started = instant(of, "hs_meeting_start_time")
    return Touchpoint(
        touch_id=key("meetings", said),
        at=started or needed(of, "hs_timestamp"),
        kind="event",
        crm_id=contact_id,
        utm_source="hubspot",
        utm_medium="meeting",
        updated_at=instant(of, MODIFIED),
    )


def gone(part: str, said: Mapping[str, Any], at: datetime) -> Row:
    """In place of an activity that was put away, or is none any more, since then."""
    happened = instant(said["properties"], "hs_timestamp") or at
    return (no_call if part == "calls" else no_touch)(key(part, said), happened, at)


def _changed(part: str, said: Mapping[str, Any]) -> Row | None:
    """What takes the place of what a record may have been before; one that was never changed was
    nothing else.
    """
    of = said["properties"]
    modified, made = instant(of, MODIFIED), instant(of, MADE)
    if modified is None or (made is not None and modified <= made):
        return None
    return gone(part, said, modified)


def _milliseconds(of: Mapping[str, Any], name: str) -> int:
    value = text(of, name) or "0"
    try:
        return max(0, int(float(value)))
    except (ValueError, OverflowError):
        raise BadValue(name, value, "this is not a number of milliseconds") from None
