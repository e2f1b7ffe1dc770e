"""FHIR R4 communications as messages, and consents as preferences. What was written stops here."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.contract import PURPOSES, Message, Preference, Row
from connectors.fhir_element import Element, codes
from connectors.fhir_links import Links
from connectors.fhir_rules import Rules, patient_of, updated, withdrawn

# HL7's v3 ParticipationMode, by its codes and by the words that systems use for them.
_CHANNELS = {
    "EMAILWRIT": "email", "EMAIL": "email", "E-MAIL": "email",
    "SMSWRIT": "sms", "SMS": "sms", "TEXT": "sms",
    "PHONE": "call", "VERBAL": "call", "CALL": "call",
    "MAILWRIT": "direct_mail", "LETTER": "direct_mail", "MAIL": "direct_mail",
    "PORTAL": "portal", "ONLINEWRIT": "portal",
}  # fmt: skip
_MARKETING = {"marketing", "campaign", "outreach"}
# HL7's v3 ActReason: what a consent is given for.
_REASONS = {
    "HMARKT": "marketing",
    "TREAT": "treatment", "CAREMGT": "treatment", "COC": "treatment",
    "HOPERAT": "operations", "PATADMIN": "operations",
}  # fmt: skip

# A permission of which nobody knows when it was given: every refusal may be later, so it outweighs
# none. A refusal without a date may be of today, and outweighs every permission.
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)


def communication(said: Element, links: Links, rules: Rules) -> Iterator[Row]:
    """A message that went to a patient."""
    status = said.text("status") or "no status"
    if status not in ("completed", "in-progress") or not _is_to_patient(said, links):
        reason = "not to a patient" if status in ("completed", "in-progress") else status
        yield from withdrawn(said, rules, reason)
        return
    sent_at = said.instant("sent", rules.zone) or said.instant("received", rules.zone)
    done = status == "completed"
    at = sent_at or updated(said, rules) or rules.now
    yield _message(said, links, rules, at=at, sent_at=sent_at or (at if done else None))


def request(asked: Element, links: Links, rules: Rules) -> Iterator[Row]:
    """A message that is to be sent; once it is, its communication is the message."""
    status = asked.text("status") or "no status"
    if status not in ("active", "on-hold") or not _is_to_patient(asked, links):
        reason = "not to a patient" if status in ("active", "on-hold") else status
        yield from withdrawn(asked, rules, reason)
        return
    at = asked.instant("authoredOn", rules.zone) or updated(asked, rules) or rules.now
    yield _message(asked, links, rules, at=at, sent_at=None)


def consent(given: Element, links: Links, rules: Rules) -> Iterator[Row]:
    """What a patient allows or forbids by purpose; a consent that is not in force says nothing.

    A permission is one within its period: R4 has a provision hold for that time and no other. A
    refusal stays one, also after its period: nobody has said yes since.
    """
    status = given.text("status") or "no status"
    said: dict[str, Said] = {}
    if status in ("active", "rejected"):
        for purpose, one in _provisions(given.part("provision"), Said(), rules):
            said[purpose] = said.get(purpose, Said(permits=status == "active")).and_also(one)
    reason = status if status != "active" else "no purpose"
    nothing = {row.record_id: row for row in withdrawn(given, rules, reason)}
    changed = updated(given, rules)
    for purpose in PURPOSES:
        record = f"Consent/{given.needed_text('id')}/{purpose}"
        if purpose not in said:
            if record in nothing:
                yield nothing[record]
            continue
        permits, start, end = said[purpose].permits, said[purpose].start, said[purpose].end
        at = _since(given, rules) or (_UNKNOWN if permits else rules.now)
        yield Preference(
            preference_id=record,
            channel="any",
            purpose=purpose,
            allowed=permits,
            since=at,
            how="consent",
            patient_id=patient_of(given.part("patient"), links, "Consent.patient"),
            updated_at=changed,
            starts_at=start if permits else None,
            ends_at=end if permits else None,
        )


@dataclass(frozen=True, slots=True)
class Said:
    """What provisions say of one purpose, and from when until when they hold."""

    permits: bool = True
    start: datetime | None = None
    end: datetime | None = None

    def and_also(self, other: "Said") -> "Said":
        """Both: one "no" outweighs every "yes", and a permission is what both of them permit."""
        starts = [at for at in (self.start, other.start) if at]
        ends = [at for at in (self.end, other.end) if at]
        return Said(
            self.permits and other.permits, max(starts, default=None), min(ends, default=None)
        )


def _since(given: Element, rules: Rules) -> datetime | None:
    """Since when a consent is given or refused: its date, else that of what it provides, else when
    the server last changed it. None where nothing tells. It was said before it began, if it is to
    begin later: a refusal between the two outweighs it.
    """
    start, _ = given.part("provision").part("period").span(rules.zone)
    known = [at for at in (start, updated(given, rules)) if at]
    return given.instant("dateTime", rules.zone) or min(known, default=None)


def _provisions(
    provision: Element, outer: Said, rules: Rules, kind: str | None = None
) -> Iterator[tuple[str, Said]]:
    """Every purpose that a consent names, and what is said of it, exceptions included."""
    kind = provision.text("type") or kind
    own = Said(kind == "permit", *provision.part("period").span(rules.zone))
    held = Said(True, outer.start, outer.end).and_also(own)
    for coding in provision.parts("purpose"):
        purpose = _REASONS.get(coding.text("code") or "")
        if purpose and kind in ("permit", "deny"):
            yield purpose, held
    for exception in provision.parts("provision"):
        yield from _provisions(exception, held, rules, kind)


def _is_to_patient(said: Element, links: Links) -> bool:
    recipients = [links.target(r)[0] for r in said.parts("recipient")]
    sender = links.target(said.part("sender"))[0]
    if not said.part("subject") and "Patient" not in recipients:
        return False
    return "Patient" in recipients if recipients else sender != "Patient"


def _message(
    said: Element, links: Links, rules: Rules, *, at: datetime, sent_at: datetime | None
) -> Message:
    to = links.first(said.parts("recipient"), "Patient") or said.part("subject")
    category = [code.lower() for _, code in codes(said.parts("category"))]
    received = said.instant("received", rules.zone)
    return Message(
        message_id=f"{said.kind}/{said.needed_text('id')}",
        flow=category[0] if category else "communication",
        assigned_at=at,
        channel=_channel(said),
        purpose="marketing" if _MARKETING & set(category) else "treatment",
        patient_id=patient_of(to, links, f"{said.kind}.recipient"),
        sent_at=sent_at,
        delivered_at=received,
        updated_at=updated(said, rules),
    )


def _channel(said: Element) -> str:
    media = said.parts("medium")
    words = [code for _, code in codes(media)] + [m.text("text") or "" for m in media]
    return next((_CHANNELS[w.upper()] for w in words if w.upper() in _CHANNELS), "other")
