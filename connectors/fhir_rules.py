"""How one source's resources are read, and what every kind of resource needs to become a row."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from connectors.contract import PURPOSES, Row, Withdrawn
from connectors.fhir_element import Element, Unmappable
from connectors.fhir_groups import Groups
from connectors.fhir_links import Links
from connectors.source import See, unseen

_FINAL = {"entered-in-error", "cancelled", "revoked", "not-done"}


@dataclass(frozen=True, slots=True)
class Rules:
    """How this source's resources are read."""

    zone: ZoneInfo
    currency: str | None
    service_lines: Groups
    diagnoses: Groups
    procedures: Groups
    payers: Groups
    now: datetime  # when a resource that does not say when it changed is taken to have changed
    see: See = unseen


Mapper = Callable[[Element, Links, Rules], Iterator[Row]]


def patient_of(reference: Element, links: Links, element: str) -> str:
    """The key of the patient that a row cannot do without."""
    found = links.patient_key(reference) if reference else None
    if found is None:
        raise Unmappable(element, "points at no patient")
    return found


def updated(found: Element, rules: Rules) -> datetime | None:
    """When the server last changed a resource, if it says so."""
    return found.part("meta").instant("lastUpdated", rules.zone)


def records_of(kind: str, own: str) -> list[tuple[str, str]]:
    """The table and key of every row that a resource may have become."""
    if kind in ("Appointment", "Encounter"):
        return [(kind.lower(), own)]
    if kind in ("Condition", "Procedure"):
        return [("care_code", f"{kind}/{own}")]
    if kind in ("Communication", "CommunicationRequest"):
        return [("message", f"{kind}/{own}")]
    if kind == "Consent":
        return [("preference", f"{kind}/{own}/{purpose}") for purpose in PURPOSES]
    return [("payment", f"{kind}/{own}")]


def withdrawn(found: Element, rules: Rules, reason: str) -> Iterator[Withdrawn]:
    """That a resource does not count as it now is, whatever it was before.

    One that does not say when it changed could never come back: of those only what is final is
    withdrawn, not a claim that is yet to be paid.
    """
    at = updated(found, rules) or (rules.now if reason in _FINAL else None)
    if at is None:
        return
    for table, record in records_of(found.kind, found.needed_text("id")):
        yield Withdrawn(table, record, at, reason)
