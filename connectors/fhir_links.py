"""References between FHIR resources: inside a bundle by full URL, else by type and id."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

# Given the id of a patient who is in another file, the key that this source knows them by.
Elsewhere = Callable[[str], str | None]


class Links:
    """What the resources of one bundle, or of one line, point at."""

    def __init__(self, system: str | None, elsewhere: Elsewhere) -> None:
        self._system = system
        self._elsewhere = elsewhere
        self._by_url: dict[str, tuple[str, str]] = {}
        self._keys: dict[str, str] = {}
        self._labels: dict[str, str] = {}
        self._conditions: dict[str, list[Any]] = {}
        self._condition_codes: dict[str, Any] = {}
        self._procedures: dict[str, list[Any]] = {}

    def note(self, url: str | None, resource: dict[str, Any]) -> None:
        """Remember a resource that others may point at."""
        kind, own = resource.get("resourceType"), resource.get("id")
        if not isinstance(kind, str) or not isinstance(own, str):
            return
        if isinstance(url, str):
            self._by_url[url] = (kind, own)
        if kind == "Patient":
            self._keys[own] = patient_key(resource, self._system) or own
        name = resource.get("name")
        if kind in ("Location", "Organization") and isinstance(name, str):
            self._labels[f"{kind}/{own}"] = name

    def note_clinical(self, resource: Any) -> None:
        """Remember a condition or procedure under the visit that it belongs to."""
        if resource.code is None:
            return
        kept = self._procedures
        if resource.__resource_type__ == "Condition":
            kept = self._conditions
            self._condition_codes[resource.id or ""] = resource.code
        if resource.encounter is not None:
            kept.setdefault(self.id_of(resource.encounter) or "", []).append(resource.code)

    def key_of(self, patient: Any) -> str | None:
        """What this source knows a patient by: the chosen identifier, else the resource's id."""
        own: str | None = patient.id
        return self._keys.get(own or "", own or "") or None

    def patient_key(self, reference: Any) -> str | None:
        """The key of the patient that a reference points at."""
        kind, own = self._target(reference)
        if own is None or kind not in ("Patient", None):
            return None
        return self._keys.get(own) or self._elsewhere(own)

    def first(self, references: Iterable[Any], kind: str) -> Any | None:
        """The first reference to a resource of a kind."""
        found: Any | None = next((r for r in references if self._target(r)[0] == kind), None)
        return found

    def id_of(self, reference: Any | None) -> str | None:
        """The id of what a reference points at."""
        return self._target(reference)[1] if reference is not None else None

    def label(self, reference: Any | None) -> str | None:
        """What a place is called."""
        if reference is None:
            return None
        kind, own = self._target(reference)
        name = self._labels.get(f"{kind}/{own}")
        label: str | None = name or reference.display or own
        return label

    def conditions_of(self, visit: Any) -> list[Any]:
        """The codes of a visit's conditions, whichever of the two points at the other."""
        named = [self.id_of(d.condition) or "" for d in visit.diagnosis or ()]
        codes = [self._condition_codes[own] for own in named if own in self._condition_codes]
        return [*self._conditions.get(visit.id or "", ()), *codes]

    def procedures_of(self, visit: Any) -> Sequence[Any]:
        """The codes of what was done at a visit."""
        return self._procedures.get(visit.id or "", ())

    def _target(self, reference: Any) -> tuple[str | None, str | None]:
        address = reference.reference
        if not address:
            return reference.type, None
        if address in self._by_url:
            return self._by_url[address]
        if address.startswith(("urn:uuid:", "urn:oid:")):
            return reference.type, address.rpartition(":")[2]
        if "?identifier=" in address:  # a conditional reference: Patient?identifier=system|value
            kind, _, query = address.partition("?")
            return kind, query.rpartition("|")[2]
        parts = address.partition("/_history/")[0].split("/")
        return (parts[-2], parts[-1]) if len(parts) > 1 else (reference.type, None)


def patient_key(resource: dict[str, Any], system: str | None) -> str | None:
    """The value of a patient's identifier in a system, if they have one."""
    for identifier in resource.get("identifier") or () if system else ():
        if isinstance(identifier, dict) and identifier.get("system") == system:
            value = identifier.get("value")
            return value if isinstance(value, str) and value else None
    return None
