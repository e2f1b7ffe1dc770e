"""FHIR R4 resources as contract rows. Names, addresses and notes stop here."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from connectors.contract import Appointment, Encounter, Payment, Person, Row
from connectors.fhir_groups import Groups, joined
from connectors.fhir_links import Links

_APPOINTMENT_STATES = {
    "proposed": "proposed",
    "pending": "proposed",
    "waitlist": "proposed",
    "booked": "booked",
    "arrived": "arrived",
    "checked-in": "arrived",
    "fulfilled": "fulfilled",
    "cancelled": "cancelled",
    "entered-in-error": "cancelled",  # it was loaded as booked before: it must stop counting
    "noshow": "noshow",
}
_TOOK_PLACE = {"arrived", "triaged", "in-progress", "onleave", "finished"}


class Unmappable(Exception):
    """A resource that lacks what its row needs: the element, and why."""

    def __init__(self, element: str, reason: str) -> None:
        super().__init__(f"{element} {reason}")
        self.element, self.reason = element, reason


@dataclass(frozen=True, slots=True)
class Rules:
    """How this source's resources are read."""

    zone: ZoneInfo
    currency: str | None
    service_lines: Groups
    diagnoses: Groups
    procedures: Groups
    payers: Groups


def person(patient: Any, links: Links, rules: Rules) -> Iterator[Row]:
    """A patient: birth year, sex, three signs of the postal code, language, e-mail and phone."""
    address = next(iter(sorted(patient.address or (), key=lambda a: a.use != "home")), None)
    speaks = sorted(patient.communication or (), key=lambda c: not c.preferred)
    spoken = [c.language.coding[0].code for c in speaks if c.language.coding]
    yield Person(
        patient_id=_needed("Patient.id", links.key_of(patient)),
        email=_reach(patient, "email"),
        phone=_reach(patient, "phone"),
        birth_year=int(str(patient.birthDate)[:4]) if patient.birthDate else None,
        sex=patient.gender,
        zip3=address.postalCode[:3] if address and address.postalCode else None,
        language=spoken[0] if spoken else None,
        deceased=bool(patient.deceasedBoolean or patient.deceasedDateTime),
        updated_at=_updated(patient, rules),
    )


def appointment(booking: Any, links: Links, rules: Rules) -> Iterator[Row]:
    """A booking; one that does not say when it was made is taken to be made when it starts."""
    starts_at = _instant("Appointment.start", booking.start, rules)
    actors = [p.actor for p in booking.participant if p.actor]
    status = _APPOINTMENT_STATES[_needed("Appointment.status", booking.status)]
    kinds = [*(booking.serviceType or ()), *(booking.specialty or ())]
    kinds += [*(booking.serviceCategory or ()), *(booking.reasonCode or ())]
    yield Appointment(
        appointment_id=_needed("Appointment.id", booking.id),
        patient_id=_patient("Appointment.participant", links.first(actors, "Patient"), links),
        booked_at=_instant("Appointment.created", booking.created or starts_at, rules),
        starts_at=starts_at,
        status=status,
        service_line=rules.service_lines.first(kinds),
        location=links.label(links.first(actors, "Location")),
        provider=links.id_of(links.first(actors, "Practitioner")),
        updated_at=_updated(booking, rules),
    )


def encounter(visit: Any, links: Links, rules: Rules) -> Iterator[Row]:
    """A visit that took place; planned, cancelled and mistaken ones are no rows."""
    if visit.status not in _TOOK_PLACE:
        return
    period = visit.period
    kinds = [*([visit.serviceType] if visit.serviceType else []), *(visit.type or ())]
    reasons = list(visit.reasonCode or ()) + links.conditions_of(visit)
    place = next((p.location for p in visit.location or ()), None) or visit.serviceProvider
    code = visit.class_fhir.code
    line = rules.service_lines.first(kinds) or rules.service_lines.of_texts([(code or "", True)])
    booked = next(iter(visit.appointment or ()), None)
    yield Encounter(
        encounter_id=_needed("Encounter.id", visit.id),
        patient_id=_patient("Encounter.subject", visit.subject, links),
        starts_at=_instant("Encounter.period.start", period.start if period else None, rules),
        ends_at=_instant("Encounter.period.end", period.end, rules)
        if period and period.end
        else None,
        class_code=code,
        appointment_id=links.id_of(booked),
        service_line=line or rules.service_lines.first(reasons),
        location=links.label(place),
        diagnosis_groups=joined(reasons, rules.diagnoses),
        procedure_groups=joined(links.procedures_of(visit), rules.procedures),
        updated_at=_updated(visit, rules),
    )


def explanation(benefit: Any, links: Links, rules: Rules) -> Iterator[Row]:
    """What the insurer paid for a claim; a claim that it paid nothing for is no payment."""
    paid = benefit.payment.amount if benefit.payment else None
    if benefit.status != "active" or paid is None or not paid.value:
        return
    visits = [e for item in benefit.item or () for e in item.encounter or ()]
    yield Payment(
        payment_id=f"ExplanationOfBenefit/{_needed('ExplanationOfBenefit.id', benefit.id)}",
        posted_at=_instant(
            "ExplanationOfBenefit.created", benefit.payment.date or benefit.created, rules
        ),
        currency=_currency("ExplanationOfBenefit.payment.amount.currency", paid, rules),
        amount=paid.value,
        patient_id=_patient("ExplanationOfBenefit.patient", benefit.patient, links),
        encounter_id=links.id_of(next(iter(visits), None)),
        payer_class=_payer(benefit, rules),
        updated_at=_updated(benefit, rules),
    )


def invoice(bill: Any, links: Links, rules: Rules) -> Iterator[Row]:
    """A bill to the patient counts as paid when it is balanced; until then nothing came in."""
    total = bill.totalGross or bill.totalNet
    if bill.status != "balanced" or total is None or not total.value:
        return
    yield Payment(
        payment_id=f"Invoice/{_needed('Invoice.id', bill.id)}",
        posted_at=_instant("Invoice.date", bill.date, rules),
        currency=_currency("Invoice.totalGross.currency", total, rules),
        amount=total.value,
        patient_id=_patient("Invoice.subject", bill.subject, links),
        payer_class="self_pay",
        updated_at=_updated(bill, rules),
    )


def notice(note: Any, links: Links, rules: Rules) -> Iterator[Row]:
    """Notice of a payment; it names no patient."""
    if note.status != "active" or not note.amount.value:
        return
    yield Payment(
        payment_id=f"PaymentNotice/{_needed('PaymentNotice.id', note.id)}",
        posted_at=_instant("PaymentNotice.paymentDate", note.paymentDate or note.created, rules),
        currency=_currency("PaymentNotice.amount.currency", note.amount, rules),
        amount=note.amount.value,
        updated_at=_updated(note, rules),
    )


def reconciliation(paid: Any, links: Links, rules: Rules) -> Iterator[Row]:
    """A payment for many claims at once; it names no patient."""
    if paid.status != "active" or not paid.paymentAmount.value:
        return
    yield Payment(
        payment_id=f"PaymentReconciliation/{_needed('PaymentReconciliation.id', paid.id)}",
        posted_at=_instant("PaymentReconciliation.paymentDate", paid.paymentDate, rules),
        currency=_currency(
            "PaymentReconciliation.paymentAmount.currency", paid.paymentAmount, rules
        ),
        amount=paid.paymentAmount.value,
        updated_at=_updated(paid, rules),
    )


Mapper = Callable[[Any, Links, Rules], Iterator[Row]]
RECORDS: Mapping[str, Mapper] = {
    "Patient": person,
    "Appointment": appointment,
    "Encounter": encounter,
}
# An Account holds no amount in R4, and a Claim is what was asked for, not what was paid.
PAYMENTS: Mapping[str, Mapper] = {
    "ExplanationOfBenefit": explanation,
    "Invoice": invoice,
    "PaymentNotice": notice,
    "PaymentReconciliation": reconciliation,
}


def _needed(element: str, value: str | None) -> str:
    if not value:
        raise Unmappable(element, "is missing")
    return value


def _patient(element: str, reference: Any, links: Links) -> str:
    found = links.patient_key(reference) if reference is not None else None
    if found is None:
        raise Unmappable(element, "points at no patient")
    return found


def _instant(element: str, value: datetime | date | str | None, rules: Rules) -> datetime:
    if value is None:
        raise Unmappable(element, "is missing")
    if isinstance(value, str):
        raise Unmappable(element, "is not a whole date")
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=rules.zone)
    return value if value.tzinfo else value.replace(tzinfo=rules.zone)


def _updated(resource: Any, rules: Rules) -> datetime | None:
    changed = resource.meta.lastUpdated if resource.meta else None
    return _instant("meta.lastUpdated", changed, rules) if changed else None


def _currency(element: str, money: Any, rules: Rules) -> str:
    return _needed(element, money.currency or rules.currency)


def _reach(patient: Any, system: str) -> str | None:
    ways = [t for t in patient.telecom or () if t.system == system and t.value and t.use != "old"]
    ways.sort(key=lambda t: t.use != "mobile")
    return ways[0].value if ways else None


def _payer(benefit: Any, rules: Rules) -> str | None:
    names = [i.coverage.display for i in benefit.insurance or ()]
    names.append(benefit.insurer.display if benefit.insurer else None)
    return rules.payers.of_texts((name, False) for name in names if name)
