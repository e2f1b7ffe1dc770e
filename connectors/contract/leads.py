"""Rows of those who may become patients: their touches, contacts and deals."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from connectors.contract.marks import (
    ClickId,
    ClientId,
    CrmId,
    Email,
    GivenName,
    Identifier,
    MaybeAmount,
    OneOf,
    PatientId,
    Phone,
    RecordId,
    Row,
    Spec,
)

TOUCH_KINDS = (
    "impression", "click", "session", "form", "call", "email_open", "email_click", "sms", "chat",
    "referral", "direct_mail", "event",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Touchpoint(Row):
    """One contact of one person with the organisation's marketing."""

    spec = Spec("touchpoint", ("touch_id",), day="source_day", newer="updated_at")

    touch_id: RecordId
    at: datetime
    kind: Annotated[str, OneOf(TOUCH_KINDS)]
    email: Email = None
    phone: Phone = None
    crm_id: CrmId = None
    patient_id: PatientId = None
    client_id: ClientId = None
    click_id: ClickId = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    campaign_id: str | None = None
    service_line: str | None = None
    location: str | None = None
    currency: str | None = None
    cost: MaybeAmount = None
    source_day: date | None = None  # the source's own day, where it tells whole days anew
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Contact(Row):
    """A person as the CRM knows them; being created there makes them a lead."""

    spec = Spec("contact", ("contact_id",), newer="updated_at")

    contact_id: Annotated[str, Identifier("crm_id")]
    created_at: datetime
    updated_at: datetime
    email: Email = None
    phone: Phone = None
    patient_id: PatientId = None
    client_id: ClientId = None
    original_source: str | None = None  # as the CRM names it: PAID_SEARCH, ORGANIC_SEARCH ...
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    first_touch_at: datetime | None = None
    lifecycle_stage: str | None = None
    lifecycle_dates: str | None = None  # JSON: stage -> instant it was reached
    lead_at: datetime | None = None
    customer_at: datetime | None = None
    preferred_channel: str | None = None
    service_line: str | None = None
    location: str | None = None
    deleted: bool = False  # taken out of the CRM: no lead any more
    given_name: GivenName = None
    birth_year: int | None = None


@dataclass(frozen=True, slots=True)
class Deal(Row):
    """A piece of business in the CRM: a consult, a case, a package of treatment."""

    spec = Spec("deal", ("deal_id",), newer="updated_at")

    deal_id: RecordId
    created_at: datetime
    updated_at: datetime
    contact_id: CrmId = None
    pipeline: str | None = None
    stage: str | None = None
    stage_dates: str | None = None  # JSON: stage -> instant it was entered
    won: bool | None = None  # None while open
    closed_at: datetime | None = None
    currency: str | None = None
    amount: MaybeAmount = None
    service_line: str | None = None
    location: str | None = None
