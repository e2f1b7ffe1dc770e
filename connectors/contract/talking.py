"""Rows of what is said to people and by them: calls, messages, and what they wish."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from connectors.contract.marks import (
    ClickId,
    ClientId,
    CrmId,
    Email,
    MaybeAmount,
    OneOf,
    PatientId,
    Phone,
    RecordId,
    Row,
    Spec,
)

PURPOSES = ("treatment", "operations", "marketing")
# Spam is stored, so that a call that is marked later takes the place of what was loaded, but it
# counts nowhere.
CALL_OUTCOMES = ("answered", "voicemail", "missed", "abandoned", "spam")


@dataclass(frozen=True, slots=True)
class Call(Row):
    """A phone call to a (tracked) number."""

    spec = Spec("call", ("call_id",), newer="updated_at")

    call_id: RecordId
    started_at: datetime
    seconds: int
    answered: bool
    phone: Phone = None
    client_id: ClientId = None
    first_time_caller: bool | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    campaign_id: str | None = None
    tags: str | None = None
    currency: str | None = None
    value: MaybeAmount = None
    service_line: str | None = None
    location: str | None = None
    updated_at: datetime | None = None
    tracking_number: str | None = None  # the organisation's own number that was dialled, in clear
    outcome: Annotated[str | None, OneOf(CALL_OUTCOMES)] = None  # why it was not answered
    lead_status: str | None = None  # as the call tracker names it: good_lead, not_a_lead ...
    crm_id: CrmId = None
    click_id: ClickId = None  # of the ad that the number was dialled from


@dataclass(frozen=True, slots=True)
class Message(Row):
    """A message of an outreach flow to one person, and what became of it.

    A person who was held out has a row too, with `arm` holdout and nothing sent.
    """

    spec = Spec("message", ("message_id",), newer="updated_at")

    message_id: RecordId
    flow: str
    assigned_at: datetime
    channel: str  # email, sms, direct_mail, call
    arm: Annotated[str, OneOf(("treated", "holdout"))] = "treated"
    purpose: Annotated[str, OneOf(PURPOSES)] = "marketing"
    email: Email = None
    phone: Phone = None
    crm_id: CrmId = None
    patient_id: PatientId = None
    service_line: str | None = None
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    opened_at: datetime | None = None
    clicked_at: datetime | None = None
    replied_at: datetime | None = None
    bounced_at: datetime | None = None
    unsubscribed_at: datetime | None = None
    currency: str | None = None
    cost: MaybeAmount = None
    updated_at: datetime | None = None


MESSAGE_EVENTS = (
    "sent", "delivered", "deferred", "opened", "clicked", "replied", "bounced", "dropped",
    "unsubscribed", "complained",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MessageEvent(Row):
    """One thing that happened to one message to one person.

    Events come late, twice and in any order; a message is what they add up to. Where a `Message`
    has the same id and channel they are told of it, else they are a message of their own.
    """

    spec = Spec("message_event", ("event_id",))

    event_id: RecordId
    message_id: RecordId
    at: datetime
    event: Annotated[str, OneOf(MESSAGE_EVENTS)]
    channel: str  # as in Message
    flow: str
    purpose: Annotated[str, OneOf(PURPOSES)] = "marketing"
    mailing: bool = True  # sent to many: to be sent is no touch, and a click has a touchpoint
    machine: bool = False  # opened or clicked by a mail proxy or a link scanner, not by the person
    email: Email = None
    phone: Phone = None
    crm_id: CrmId = None
    patient_id: PatientId = None
    reason: str | None = None  # why it bounced or was dropped: a status code, never a sentence
    currency: str | None = None
    cost: MaybeAmount = None


@dataclass(frozen=True, slots=True)
class Preference(Row):
    """Whether a person may be reached by a channel for a purpose, and how they said so."""

    spec = Spec("preference", ("preference_id",), newer="updated_at", permits=("allowed", "since"))

    preference_id: RecordId
    channel: str
    purpose: Annotated[str, OneOf(PURPOSES)]
    allowed: bool
    since: datetime
    how: str | None = None
    email: Email = None
    phone: Phone = None
    crm_id: CrmId = None
    patient_id: PatientId = None
    updated_at: datetime | None = None
    starts_at: datetime | None = None  # of a permission that holds for a time only
    ends_at: datetime | None = None
