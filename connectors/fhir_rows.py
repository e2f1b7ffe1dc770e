"""FHIR R4 patients, bookings, visits and their codes as rows. Names, addresses and notes stop here.

A resource that is read becomes its rows, or a row that says that it does not count (any more).
"""

from collections.abc import Iterator
from datetime import datetime

from connectors.contract import Appointment, CareCode, Encounter, Link, Person, Row
from connectors.fhir_element import Element, Unmappable, needed
from connectors.fhir_groups import group_of, joined, unknown
from connectors.fhir_links import Links
from connectors.fhir_rules import Rules, patient_of, updated, withdrawn
from connectors.moments import YEARS

_APPOINTMENT_STATES = {
    "proposed": "proposed",
    "pending": "proposed",
    "waitlist": "proposed",
    "booked": "booked",
    "arrived": "arrived",
    "checked-in": "arrived",
    "fulfilled": "fulfilled",
    "cancelled": "cancelled",
    "noshow": "noshow",
}
_TOOK_PLACE = {"arrived", "triaged", "in-progress", "onleave", "finished"}
_NOT_DONE = {"preparation", "not-done", "on-hold", "entered-in-error"}


def person(patient: Element, links: Links, rules: Rules) -> Iterator[Row]:
    """A patient: birth year, sex, three signs of the postal code, language, ways to reach them.

    The first name goes no further than the door, where it is hashed with the e-mail and the phone.
    """
    speaks = sorted(patient.parts("communication"), key=lambda c: not c.flag("preferred"))
    spoken = [c.part("language").parts("coding")[:1] for c in speaks]
    born = patient.text("birthDate")
    if born is not None and not born[:4].isdigit():
        raise Unmappable("Patient.birthDate", "is not valid FHIR R4 (no date)")
    year = int(born[:4]) if born else 0
    yield Person(
        patient_id=needed("Patient.id", links.key_of(patient)),
        email=_reach(patient, "email"),
        phone=_reach(patient, "phone"),
        birth_year=year if YEARS[0] <= year <= YEARS[1] else None,
        sex=patient.text("gender"),
        zip3=_zip3(patient),
        language=next((first.text("code") for coding in spoken for first in coding), None),
        deceased=patient.flag("deceasedBoolean") or patient.text("deceasedDateTime") is not None,
        updated_at=updated(patient, rules),
        given_name=_given(patient),
    )
    yield from _same_person(patient, links, rules)


def appointment(booking: Element, links: Links, rules: Rules) -> Iterator[Row]:
    """A booking; one that does not say when it was made is taken to be made when it starts."""
    said = booking.needed_text("status")
    if said == "entered-in-error":
        yield from withdrawn(booking, rules, said)
        return
    if said not in _APPOINTMENT_STATES:
        raise Unmappable("Appointment.status", "is no state that FHIR R4 has")
    starts_at = booking.needed_instant("start", rules.zone)
    actors = [p.part("actor") for p in booking.parts("participant")]
    kinds = [
        concept
        for name in ("serviceType", "specialty", "serviceCategory", "reasonCode")
        for concept in booking.parts(name)
    ]
    place = links.label(links.first(actors, "Location"))
    line = rules.service_lines.first(kinds, place)
    yield Appointment(
        appointment_id=booking.needed_text("id"),
        patient_id=patient_of(links.first(actors, "Patient"), links, "Appointment.participant"),
        booked_at=booking.instant("created", rules.zone) or starts_at,
        starts_at=starts_at,
        status=_APPOINTMENT_STATES[said],
        service_line=line,
        location=place,
        provider=links.id_of(links.first(actors, "Practitioner")),
        updated_at=updated(booking, rules),
        unknown_code=None if line else unknown(kinds),
    )


def encounter(visit: Element, links: Links, rules: Rules) -> Iterator[Row]:
    """A visit that took place, and the diagnoses that it names."""
    if visit.text("status") not in _TOOK_PLACE:
        yield from withdrawn(visit, rules, visit.text("status") or "no status")
        return
    own = visit.needed_text("id")
    period, code = visit.part("period"), visit.part("class")
    kinds = [*([visit.part("serviceType")] if visit.part("serviceType") else [])]
    kinds += visit.parts("type")
    reasons, found = visit.parts("reasonCode"), links.conditions_of(visit)
    places = [p.part("location") for p in visit.parts("location")]
    place = links.label(places[0] if places and places[0] else visit.part("serviceProvider"))
    lines = rules.service_lines
    sign = (code.text("system") or "", code.text("code") or "", "")
    line = lines.first(kinds, place) or (lines.of_signs([sign], place) or (0, None))[1]
    line = line or lines.first(reasons) or lines.first(found)
    booked = next(iter(visit.parts("appointment")), Element({}, ""))
    patient = patient_of(visit.part("subject"), links, "Encounter.subject")
    yield Encounter(
        encounter_id=own,
        patient_id=patient,
        starts_at=period.needed_instant("start", rules.zone),
        ends_at=period.instant("end", rules.zone),
        class_code=code.text("code"),
        appointment_id=links.id_of(booked),
        service_line=line,
        location=place,
        diagnosis_groups=joined([*reasons, *found], rules.diagnoses),
        procedure_groups=joined(links.procedures_of(visit), rules.procedures),
        updated_at=updated(visit, rules),
        minutes_waited=_minutes_waited(visit, rules),
        unknown_code=None if line else unknown(kinds),
    )
    for named in visit.parts("diagnosis"):
        kind, condition = links.target(named.part("condition"))
        if condition is not None and kind in ("Condition", "Procedure", None):
            kind = kind or "Condition"
            yield CareCode(
                care_code_id=f"Encounter/{own}/{kind}/{condition}",
                kind="diagnosis" if kind == "Condition" else "procedure",
                patient_id=patient,
                encounter_id=own,
                same_as=f"{kind}/{condition}",
                updated_at=updated(visit, rules),
            )


def is_counted(found: Element) -> bool:
    """Whether a condition or procedure has a code and has not been taken back."""
    verified = found.part("verificationStatus").parts("coding")
    refuted = {"refuted", "entered-in-error"} & {str(c.said.get("code")) for c in verified}
    return bool(found.part("code")) and not refuted and found.text("status") not in _NOT_DONE


def care_code(found: Element, links: Links, rules: Rules) -> Iterator[Row]:
    """A condition or procedure as a group; it may name a visit that has not arrived yet."""
    if not is_counted(found):
        yield from withdrawn(found, rules, found.text("status") or "not confirmed")
        return
    own, code = found.needed_text("id"), found.part("code")
    diagnosis = found.kind == "Condition"
    line = rules.service_lines.ranked([code]) if diagnosis else None
    yield CareCode(
        care_code_id=f"{found.kind}/{own}",
        kind="diagnosis" if diagnosis else "procedure",
        patient_id=links.patient_key(found.part("subject")),
        encounter_id=links.id_of(found.part("encounter")),
        code_group=group_of(code, rules.diagnoses if diagnosis else rules.procedures),
        service_line=line[1] if line else None,
        line_rank=line[0] if line else None,
        at=_whole(found, rules, *(_DATED if diagnosis else _DONE)),
        updated_at=updated(found, rules),
        unknown_code=unknown([code]) if diagnosis and not line else None,
    )


_DATED = (("", "recordedDate"), ("", "onsetDateTime"))
_DONE = (("", "performedDateTime"), ("performedPeriod", "start"))


def _whole(found: Element, rules: Rules, *places: tuple[str, str]) -> datetime | None:
    """The first of these dates that is more than a year or a month."""
    for part, name in places:
        holder = found.part(part) if part else found
        if len(holder.text(name) or "") >= 10:
            return holder.instant(name, rules.zone)
    return None


def _minutes_waited(visit: Element, rules: Rules) -> float | None:
    """From the first arrival to the first state after it, where both are known to the minute."""
    begun: dict[str, datetime] = {}
    for past in visit.parts("statusHistory"):
        period, state = past.part("period"), past.text("status") or ""
        if len(period.text("start") or "") > 10 and (at := period.instant("start", rules.zone)):
            begun[state] = min(at, begun.get(state, at))
    seen = [begun[state] for state in ("triaged", "in-progress") if state in begun]
    if "arrived" not in begun or not seen or min(seen) < begun["arrived"]:
        return None
    return (min(seen) - begun["arrived"]).total_seconds() / 60


def _same_person(patient: Element, links: Links, rules: Rules) -> Iterator[Link]:
    """Records that the server says are of one person: merged ones, and those it keeps apart.

    All four types of a link say so (R4, `Patient.link`); one to a relative is no link of a patient.
    """
    own = links.key_of(patient)
    for link in patient.parts("link"):
        other = link.part("other")
        if links.target(other)[0] != "Patient":
            continue
        number = links.patient_key(other)
        if number and number != own:
            merged = link.text("type") in ("replaced-by", "replaces")
            yield Link(
                # From either side it is one link.
                link_id="/".join(["patient-link", *sorted((str(own), number))]),
                at=updated(patient, rules) or rules.now,
                kind="merged" if merged else "same_person",
                patient_id=own,
                other_patient_id=number,
                updated_at=updated(patient, rules),
            )


def _zip3(patient: Element) -> str | None:
    """Three signs of the postal code where they live; of where they lived, none."""
    homes = [a for a in patient.parts("address") if a.text("use") != "old"]
    homes.sort(key=lambda a: a.text("use") != "home")
    code = (homes[0].text("postalCode") or "").strip() if homes else ""
    return code[:3] or None


def _given(patient: Element) -> str | None:
    """The first name that they go by; of an earlier one or a nickname nothing is made."""
    uses = ("official", "usual", None)
    names = [n for n in patient.parts("name") if n.text("use") in uses]
    names.sort(key=lambda n: uses.index(n.text("use")))
    return next((given for name in names for given in name.texts("given")), None)


def _reach(patient: Element, system: str) -> str | None:
    ways = [
        t
        for t in patient.parts("telecom")
        if t.text("system") == system and t.text("value") and t.text("use") != "old"
    ]
    ways.sort(key=lambda t: t.text("use") != "mobile")
    return ways[0].text("value") if ways else None
