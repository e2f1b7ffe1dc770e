"""Which FHIR resources are read, which of their elements are needed, and what they become."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.contract import (
    Appointment,
    CareCode,
    Encounter,
    Link,
    Message,
    Payment,
    Person,
    Preference,
    Row,
    Withdrawn,
)
from connectors.fhir_contacts import communication, consent, request
from connectors.fhir_element import Element, Unmappable, resource
from connectors.fhir_links import Links
from connectors.fhir_payments import explanation, invoice, notice, reconciliation
from connectors.fhir_rows import appointment, care_code, encounter, person
from connectors.fhir_rules import Mapper, Rules, records_of
from connectors.source import Rejected


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of resource: its reading, the table of its rows, and the elements to ask for."""

    mapper: Mapper
    table: str
    elements: tuple[str, ...]


_MONEY = ("status", "created", "paymentDate")
KINDS: Mapping[str, Kind] = {
    "Patient": Kind(
        person, "person",
        ("identifier", "name", "telecom", "gender", "birthDate", "deceased", "address",
         "communication", "link"),
    ),
    "Appointment": Kind(
        appointment, "appointment",
        ("status", "serviceCategory", "serviceType", "specialty", "reasonCode", "start", "created",
         "participant"),
    ),
    "Encounter": Kind(
        encounter, "encounter",
        ("status", "statusHistory", "class", "type", "serviceType", "subject", "appointment",
         "period", "reasonCode", "diagnosis", "location", "serviceProvider"),
    ),
    "Condition": Kind(
        care_code, "care_code",
        ("verificationStatus", "code", "subject", "encounter", "recordedDate", "onset"),
    ),
    "Procedure": Kind(
        care_code, "care_code", ("status", "code", "subject", "encounter", "performed")
    ),
    "ExplanationOfBenefit": Kind(
        explanation, "payment",
        ("status", "use", "patient", "created", "insurer", "insurance", "item", "payment",
         "contained"),
    ),
    "Invoice": Kind(
        invoice, "payment", ("status", "subject", "date", "totalGross", "totalNet")
    ),
    "PaymentNotice": Kind(notice, "payment", (*_MONEY, "amount")),
    "PaymentReconciliation": Kind(reconciliation, "payment", (*_MONEY, "paymentAmount")),
    "Communication": Kind(
        communication, "message",
        ("status", "category", "medium", "subject", "recipient", "sender", "sent", "received"),
    ),
    "CommunicationRequest": Kind(
        request, "message",
        ("status", "category", "medium", "subject", "recipient", "sender", "authoredOn"),
    ),
    "Consent": Kind(consent, "preference", ("status", "patient", "dateTime", "provision")),
}  # fmt: skip
# Resources that others point at: what is needed of them.
POINTED_AT: Mapping[str, tuple[str, ...]] = {
    "Location": ("name",),
    "Organization": ("name",),
    "Coverage": ("type", "payor"),
}
ROWS: tuple[type[Row], ...] = (
    Person, Link, Appointment, Encounter, CareCode, Withdrawn, Payment, Message, Preference
)  # fmt: skip


def mapped(
    said: dict[str, object], links: Links, rules: Rules, file: str, number: int
) -> Iterator[Row | Rejected]:
    """The rows of one resource, or why it has none."""
    found = resource(said)
    kind = KINDS[found.path]
    rules.see(found.path, said.keys(), whole=False)
    try:
        # All or nothing: a resource that fails half way leaves no row.
        yield from list(kind.mapper(found, links, rules))
    except Unmappable as fault:
        shape = "empty" if fault.reason.startswith(("is missing", "points at")) else ""
        own = own_key(found, links)
        yield Rejected(file, number, fault.element, shape, fault.reason, kind.table, own)


def own_key(found: Element, links: Links) -> str | None:
    """The key of a resource's main row, by which it is known again once it can be read."""
    try:
        if found.own is None:
            return None
        if found.kind == "Patient":
            return links.key_of(found)
        return records_of(found.kind, found.own)[0][1]
    except Unmappable:
        return None  # the key itself is what cannot be read


def deleted(kind: str, own: str, at: datetime, *, by_id: bool) -> Iterator[Row]:
    """What is left of a resource that the server has deleted.

    A patient's e-mail, phone and the rest are blanked, if patients are known by their resources'
    ids (`by_id`); the visits go with their own deletion.
    """
    if kind == "Patient" and by_id:
        yield Person(patient_id=own, updated_at=at)
    elif kind in KINDS and kind != "Patient":
        for table, record in records_of(kind, own):
            yield Withdrawn(table, record, at, "deleted")
