"""Rows of the medical record: people, what they came for, and what was paid."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from connectors.contract.marks import (
    Amount,
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
    RecordRef,
    Row,
    Spec,
)


@dataclass(frozen=True, slots=True)
class Person(Row):
    """A patient as the medical record knows them, without address or family name."""

    spec = Spec("person", ("patient_id",), newer="updated_at")

    patient_id: Annotated[str, Identifier("patient_id")]
    email: Email = None
    phone: Phone = None
    crm_id: CrmId = None
    birth_year: int | None = None
    sex: str | None = None
    zip3: str | None = None
    language: str | None = None
    deceased: bool = False
    updated_at: datetime | None = None
    given_name: GivenName = None


@dataclass(frozen=True, slots=True)
class Link(Row):
    """Two identifiers that a source says are one person: a lead that was converted, two records
    that were merged, a web client that signed in.
    """

    spec = Spec("link", ("link_id",), day="source_day", newer="updated_at")

    link_id: RecordId
    at: datetime
    kind: str  # converted, merged, signed_in, submitted ...
    patient_id: PatientId = None
    crm_id: CrmId = None
    other_crm_id: CrmId = None
    email: Email = None
    phone: Phone = None
    client_id: ClientId = None
    click_id: ClickId = None
    source_day: date | None = None  # as in Touchpoint
    other_patient_id: PatientId = None
    updated_at: datetime | None = None


APPOINTMENT_STATES = ("proposed", "booked", "arrived", "fulfilled", "cancelled", "noshow")


@dataclass(frozen=True, slots=True)
class Appointment(Row):
    """A visit that was booked, and what became of it."""

    spec = Spec("appointment", ("appointment_id",), newer="updated_at")

    appointment_id: RecordId
    patient_id: PatientId
    booked_at: datetime
    starts_at: datetime
    status: Annotated[str, OneOf(APPOINTMENT_STATES)]
    email: Email = None
    phone: Phone = None
    service_line: str | None = None
    location: str | None = None
    provider: str | None = None
    minutes_waited: float | None = None
    updated_at: datetime | None = None
    unknown_code: str | None = None  # system|code of what no rule of service lines knows


@dataclass(frozen=True, slots=True)
class Encounter(Row):
    """A visit that took place, with its diagnoses and procedures as groups."""

    spec = Spec("encounter", ("encounter_id",), newer="updated_at")

    encounter_id: RecordId
    patient_id: PatientId
    starts_at: datetime
    ends_at: datetime | None = None
    class_code: str | None = None  # FHIR v3-ActCode: AMB, EMER, IMP, VR ...
    appointment_id: RecordRef = None
    service_line: str | None = None
    location: str | None = None
    diagnosis_groups: str | None = None
    procedure_groups: str | None = None
    updated_at: datetime | None = None
    minutes_waited: float | None = None  # from arriving to being seen
    unknown_code: str | None = None  # system|code of what no rule of service lines knows


@dataclass(frozen=True, slots=True)
class CareCode(Row):
    """One diagnosis or procedure as a coarse group, where the record keeps it apart from its visit.

    It may arrive long before or after the visit. `same_as` is for a visit that names a diagnosis
    which does not name it: the row then has no group of its own.
    """

    spec = Spec("care_code", ("care_code_id",), newer="updated_at")

    care_code_id: RecordId
    kind: Annotated[str, OneOf(("diagnosis", "procedure"))]
    patient_id: PatientId = None
    encounter_id: RecordRef = None
    code_group: str | None = None
    service_line: str | None = None  # of visits that do not say theirs
    line_rank: int | None = None  # of several codes' service lines the one ranked lowest counts
    at: datetime | None = None
    same_as: RecordRef = None
    updated_at: datetime | None = None
    unknown_code: str | None = None  # system|code of what no rule of service lines knows


WITHDRAWN_FROM = ("appointment", "encounter", "care_code", "payment", "message", "preference")


@dataclass(frozen=True, slots=True)
class Withdrawn(Row):
    """A record that does not count, or no longer: deleted, entered in error, called off, unpaid.

    The row that it was before stays in its raw table and is left out in staging, until the record
    comes again with a later `updated_at`; without one it stays left out.
    """

    spec = Spec("withdrawn", ("table_name", "record_id"), newer="withdrawn_at")

    table_name: Annotated[str, OneOf(WITHDRAWN_FROM)]
    record_id: RecordId
    withdrawn_at: datetime
    reason: str  # deleted, or the status in the source's words


@dataclass(frozen=True, slots=True)
class Payment(Row):
    """Money received (or, negative, given back). Never a card or bank number."""

    spec = Spec("payment", ("payment_id",), newer="updated_at")

    payment_id: RecordId
    posted_at: datetime
    currency: str
    amount: Amount
    patient_id: PatientId = None
    encounter_id: RecordRef = None
    appointment_id: RecordRef = None
    payer_class: str | None = None  # commercial, medicare, medicaid, self_pay ...
    balance: MaybeAmount = None
    due_on: date | None = None
    updated_at: datetime | None = None
