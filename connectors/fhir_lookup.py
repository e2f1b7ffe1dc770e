"""What resources of a server point at: remembered as it comes by, asked for where it has not yet.

Pages and files come in any order. A resource is mapped once; where something that it points at
was missed, all that was missed is asked for at once, and it is mapped again.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connectors.contract import Row
from connectors.errors import SourceChanged, SourceRefused
from connectors.fhir_api import Api, matches
from connectors.fhir_element import Element, Unmappable, resource
from connectors.fhir_links import LABELLED, Links, insurance_words, patient_key
from connectors.fhir_reading import Reading
from connectors.fhir_resources import KINDS, POINTED_AT, mapped
from connectors.source import Rejected

_AT_ONCE = 100


class Lookup:
    """What is known of the resources that others point at."""

    def __init__(self, api: Api, reading: Reading, *, searchable: bool) -> None:
        self._api, self._reading = api, reading
        self._searchable = searchable  # else a client may have no right to search
        self._patients: dict[str, str] = {}
        self._labels: dict[tuple[str, str], str | None] = {}
        self._coverages: dict[str, tuple[str, ...]] = {}
        self._missed: set[tuple[str, str]] = set()

    def patient(self, own: str) -> str | None:
        """The key that this source knows a patient by."""
        if self._reading.system is None:
            return own
        if own not in self._patients:
            self._missed.add(("Patient", own))
        return self._patients.get(own, own)

    def label(self, kind: str, own: str) -> str | None:
        """What a place is called."""
        if (kind, own) not in self._labels:
            self._missed.add((kind, own))
        return self._labels.get((kind, own))

    def coverage(self, own: str) -> tuple[str, ...]:
        """The words that tell what kind of insurance a coverage is."""
        if own not in self._coverages:
            self._missed.add(("Coverage", own))
        return self._coverages.get(own, ())

    def learn(self, found: Element) -> None:
        """Remember a resource that others may point at."""
        own, kind = found.own, found.kind
        if own is None:
            return
        if kind == "Patient" and self._reading.system is not None:
            self._patients[own] = patient_key(found, self._reading.system) or own
        elif kind in LABELLED:
            self._labels[kind, own] = found.text("name")
        elif kind == "Coverage":
            self._coverages[own] = insurance_words(found)

    def note(self, said: Mapping[str, Any]) -> None:
        """Remember a resource, if it can be read; if not, its own turn says why."""
        try:
            self.learn(resource(dict(said)))
        except Unmappable:
            return

    def rows(
        self, resources: Iterable[dict[str, Any]], name: str, first: int = 1
    ) -> Iterator[Row | Rejected]:
        """The rows of resources of the types that are read; `name` and `first` number rejects."""
        links = Links(self._reading.system, self)
        again: list[tuple[int, dict[str, Any]]] = []
        wanted: set[tuple[str, str]] = set()
        for number, said in enumerate(resources, start=first):
            kind = said.get("resourceType")
            if kind not in self._reading.kinds or kind not in KINDS:
                continue
            self._missed = set()
            found = list(mapped(said, links, self._reading.rules, name, number))
            if self._missed:
                wanted |= self._missed
                again.append((number, said))
            else:
                yield from found
        self._fetch(wanted)
        for number, said in again:
            yield from mapped(said, links, self._reading.rules, name, number)

    def _fetch(self, wanted: set[tuple[str, str]]) -> None:
        for kind in sorted({kind for kind, _ in wanted}):
            ids = sorted(own for k, own in wanted if k == kind)
            for start in range(0, len(ids), _AT_ONCE):
                self._fetch_some(kind, ids[start : start + _AT_ONCE])
            for own in ids:  # what the server does not have is not asked for again
                if kind == "Patient":
                    self._patients.setdefault(own, own)
                elif kind in LABELLED:
                    self._labels.setdefault((kind, own), None)
                else:
                    self._coverages.setdefault(own, ())

    def _fetch_some(self, kind: str, ids: list[str]) -> None:
        elements = ",".join(("id", *POINTED_AT.get(kind, ("identifier",))))
        asked = {"_id": ",".join(ids), "_elements": elements, "_count": str(len(ids))}
        try:
            for page in self._api.pages(kind, kind, asked):
                for said in matches(page):
                    self.note(said)
        except (SourceRefused, SourceChanged):
            # An export client may have no right to search. Places then keep the name that their
            # references show; a patient known by another number would be another person.
            if self._searchable or kind == "Patient":
                raise
