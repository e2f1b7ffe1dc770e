"""References between FHIR resources: inside a bundle by full URL, else by type and id."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

from connectors.fhir_element import Element, Unmappable

LABELLED = ("Location", "Organization")


class Elsewhere(Protocol):
    """What is known of resources that do not lie beside the one that points at them."""

    def patient(self, own: str) -> str | None:
        """The key that this source knows a patient by."""
        ...

    def label(self, kind: str, own: str) -> str | None:
        """What a place is called."""
        ...

    def coverage(self, own: str) -> tuple[str, ...]:
        """The words that tell what kind of insurance a coverage is."""
        ...


class Links:
    """What the resources of one bundle, of one line or of one page point at."""

    def __init__(self, system: str | None, elsewhere: Elsewhere) -> None:
        self._system = system
        self._elsewhere = elsewhere
        self._by_url: dict[str, tuple[str, str]] = {}
        self._keys: dict[str, str] = {}
        self._labels: dict[tuple[str, str], str] = {}
        self._coverages: dict[str, tuple[str, ...]] = {}
        self._conditions: dict[str, list[Element]] = {}
        self._condition_codes: dict[str, Element] = {}
        self._procedures: dict[str, list[Element]] = {}

    def note(self, url: object, found: Element) -> None:
        """Remember a resource that others may point at."""
        kind, own = found.said.get("resourceType"), found.said.get("id")
        if not isinstance(kind, str) or not isinstance(own, str):
            return
        if isinstance(url, str):
            self._by_url[url] = (kind, own)
        name = found.said.get("name")
        if kind in LABELLED and isinstance(name, str):
            self._labels[kind, own] = name
        # What cannot be read here is rejected with its reason when its own turn comes.
        with suppress(Unmappable):
            if kind == "Patient":
                self._keys[own] = patient_key(found, self._system) or own
            if kind == "Coverage":
                self._coverages[own] = insurance_words(found)

    def note_clinical(self, found: Element) -> None:
        """Remember a condition or procedure of a whole bundle under the visit it belongs to."""
        code = found.part("code")
        if not code:
            return
        kept = self._procedures
        if found.kind == "Condition":
            kept = self._conditions
            self._condition_codes[found.own or ""] = code
        if visit := self.id_of(found.part("encounter")):
            kept.setdefault(visit, []).append(code)

    def key_of(self, patient: Element) -> str | None:
        """What this source knows a patient by: the chosen identifier, else the resource's id."""
        return patient_key(patient, self._system) or patient.own

    def patient_key(self, reference: Element) -> str | None:
        """The key of the patient that a reference points at."""
        kind, own = self.target(reference)
        if own is None or kind not in ("Patient", None):
            return None
        return self._keys.get(own) or self._elsewhere.patient(own)

    def first(self, references: Iterable[Element], kind: str) -> Element:
        """The first reference to a resource of a kind; empty where there is none."""
        return next((r for r in references if self.target(r)[0] == kind), Element({}, ""))

    def id_of(self, reference: Element) -> str | None:
        """The id of what a reference points at."""
        return self.target(reference)[1]

    def label(self, reference: Element) -> str | None:
        """What a place is called."""
        kind, own = self.target(reference)
        name = self._labels.get((kind or "", own or ""))
        if name is None and own is not None and kind in LABELLED:
            name = self._elsewhere.label(kind, own)
        return name or reference.text("display") or own

    def insurance(self, holder: Element, reference: Element) -> tuple[str, ...]:
        """The words of the coverage that a claim names: inside it, beside it, or elsewhere."""
        address = reference.text("reference") or ""
        if address.startswith("#"):
            within = [c for c in holder.parts("contained") if c.said.get("id") == address[1:]]
            return insurance_words(within[0]) if within else ()
        kind, own = self.target(reference)
        if kind != "Coverage" or own is None:
            return ()
        known = self._coverages.get(own)
        return self._elsewhere.coverage(own) if known is None else known

    def conditions_of(self, visit: Element) -> list[Element]:
        """The codes of a visit's conditions, whichever of the two points at the other."""
        named = [self.id_of(d.part("condition")) or "" for d in visit.parts("diagnosis")]
        codes = [self._condition_codes[own] for own in named if own in self._condition_codes]
        return [*self._conditions.get(visit.own or "", ()), *codes]

    def procedures_of(self, visit: Element) -> list[Element]:
        """The codes of what was done at a visit."""
        return self._procedures.get(visit.own or "", [])

    def target(self, reference: Element) -> tuple[str | None, str | None]:
        """The type and id that a reference points at, as far as it says."""
        address = reference.text("reference")
        if not address:
            return reference.text("type"), None
        if address in self._by_url:
            return self._by_url[address]
        if address.startswith(("urn:uuid:", "urn:oid:")):
            return reference.text("type"), address.rpartition(":")[2]
        if "?identifier=" in address:  # a conditional reference: Patient?identifier=system|value
            kind, _, query = address.partition("?")
            return kind, query.rpartition("|")[2]
        parts = address.partition("/_history/")[0].split("/")
        return (parts[-2], parts[-1]) if len(parts) > 1 else (reference.text("type"), None)


def patient_key(patient: Element, system: str | None) -> str | None:
    """The value of a patient's identifier in a system, if they have one."""
    for identifier in patient.parts("identifier") if system else ():
        if identifier.text("system") == system:
            return identifier.text("value")
    return None


def insurance_words(coverage: Element) -> tuple[str, ...]:
    """What a coverage says of its kind: its type, then who pays."""
    kind = coverage.part("type")
    words = [kind.text("text"), *(c.text("display") for c in kind.parts("coding"))]
    words += [payor.text("display") for payor in coverage.parts("payor")]
    return tuple(word for word in words if word)
