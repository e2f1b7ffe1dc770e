"""FHIR files: R4 bundles and bulk-export NDJSON in a folder, as people, visits and payments."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from connectors.drops import JSON, Drop, DropFile, Plan, kinds_of, opened, suffix_of
from connectors.errors import SourceError, SourceMisconfigured
from connectors.fhir_element import resource
from connectors.fhir_links import Links, patient_key
from connectors.fhir_reading import READING, Reading, read_settings
from connectors.fhir_resources import KINDS, ROWS, mapped
from connectors.readers import changed, unpacked
from connectors.shapes import shape_of
from connectors.source import Context, Item, Option, Rejected, Slice

OPTIONS = (
    Option("folder", "Folder that the FHIR files are dropped into.", path=True),
    *READING,
)
_CLINICAL = ("Condition", "Procedure")
MOST_BYTES = 256 << 20  # of one bundle, which is held in memory


def connect(context: Context) -> "FhirFiles":
    """Check the settings; raises SourceMisconfigured with everything that is wrong."""
    folder = context.options.get("folder")
    reading = read_settings(context, [] if folder else ["folder is missing"])
    _model("Patient")
    return FhirFiles(context.name, Path(str(folder)).expanduser(), reading)


@dataclass(slots=True)
class FhirFiles:
    """A folder of FHIR files."""

    name: str
    folder: Path
    reading: Reading
    _patients: dict[str, str] | None = None

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """One slice for each file whose content is new."""
        self._patients = None
        return self._drop().slices(cursors)

    def probe(self) -> str:
        """How many files there are to read."""
        files = [file for file, _ in self._drop().planned()]
        return f"{self.folder} holds {kinds_of(files) or 'no FHIR file'} to read."

    def read(self, file: DropFile, stream: BinaryIO) -> Iterator[Item]:
        """The rows and rejects of one file."""
        for documents in _documents(file.name, unpacked(file.name, stream)):
            yield from self._rows(file.name, documents)

    def _drop(self) -> Drop:
        return Drop(self.name, self.folder, self._plan)

    def _plan(self, file: DropFile) -> Plan | None:
        return Plan(ROWS, self.reading.key, self.read) if suffix_of(file.name) in JSON else None

    def _rows(self, name: str, entries: list["Entry"]) -> Iterator[Item]:
        """Rows of resources that may point at each other."""
        links = Links(self.reading.system, self)
        for entry in entries:
            links.note(entry.url, resource(entry.resource))
        checked = {n: _checked(name, e) for n, e in enumerate(entries) if self._is_read(e)}
        for number, fault in checked.items():
            if fault is None and entries[number].kind in _CLINICAL:
                links.note_clinical(resource(entries[number].resource))
        for number, entry in enumerate(entries):
            if number not in checked:
                if not entry.kind:
                    reason = "is not a FHIR resource"
                    yield Rejected(name, entry.number, "resourceType", "", reason)
            elif fault := checked[number]:
                yield fault
            else:
                yield from mapped(entry.resource, links, self.reading.rules, name, entry.number)

    def _is_read(self, entry: "Entry") -> bool:
        return entry.kind in self.reading.kinds

    def patient(self, own: str) -> str | None:
        """The key of a patient who is in another file of the folder, or was in an earlier one."""
        system = self.reading.system
        if system is None:
            return own
        if self._patients is None:
            self._patients = dict(_patient_keys(self._drop().files(), system))
        return self._patients.get(own, own)

    def label(self, kind: str, own: str) -> str | None:
        """Nothing: a place in another file is called by what the reference says."""

    def coverage(self, own: str) -> tuple[str, ...]:
        """Nothing: a coverage in another file is not looked for."""
        return ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource, with its place in the file and its full URL in a bundle."""

    number: int
    url: str | None
    resource: dict[str, Any]

    @property
    def kind(self) -> str:
        kind = self.resource.get("resourceType")
        return kind if isinstance(kind, str) else ""


@cache
def _model(kind: str) -> Any:
    try:
        # R4B is R4 in every resource that is mapped here, and the nearest that the library has.
        from fhir.resources.R4B import get_fhir_model_class
    except ImportError as error:
        raise SourceMisconfigured(
            "FHIR files need the FHIR library: pip install 'caretrace[fhir]'."
        ) from error
    return get_fhir_model_class(kind)


def _checked(name: str, entry: Entry) -> Rejected | None:
    """Why the library's model refuses a resource, or nothing."""
    from pydantic import ValidationError

    try:
        _model(entry.kind).model_validate(entry.resource)
        return None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        path = ".".join(str(part) for part in (entry.kind, *first["loc"]))
        value = first["input"]
        shape = "a part with parts" if isinstance(value, dict | list) else shape_of(str(value))
        kind = first["type"].replace("_", " ")  # the library's own words may repeat the value
        table = KINDS[entry.kind].table
        return Rejected(name, entry.number, path, shape, f"is not valid FHIR R4 ({kind})", table)


def _documents(name: str, stream: BinaryIO) -> Iterator[list[Entry]]:
    if ".json" in name.lower() and ".jsonl" not in name.lower():
        data = stream.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            changed(name, f"is one document of more than {MOST_BYTES >> 20} MB: export NDJSON")
        document = _decoded(data)
        if document is None:
            changed(name, "is not a whole JSON document")
        yield _entries(1, document)
        return
    number = 0
    while line := stream.readline(MOST_BYTES):
        number += 1
        if line.strip():
            yield _entries(number, _decoded(line) or {})


def _entries(number: int, document: dict[str, Any]) -> list[Entry]:
    if document.get("resourceType") != "Bundle":
        return [Entry(number, None, document)]
    entries = document.get("entry")
    listed = entries if isinstance(entries, list) else []
    return [
        Entry(place, entry.get("fullUrl"), entry["resource"])
        for place, entry in enumerate(listed, start=1)
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict)
    ]


def _decoded(data: bytes) -> dict[str, Any] | None:
    try:
        # Amounts stay exact: as floating numbers they would not add up.
        document = json.loads(data, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _patient_keys(files: Iterable[DropFile], system: str) -> Iterator[tuple[str, str]]:
    for file in files:
        if suffix_of(file.name) not in JSON:
            continue
        try:
            with opened(file) as stream:
                for entries in _documents(file.name, unpacked(file.name, stream)):
                    for entry in entries:
                        found = patient_key(resource(entry.resource), system)
                        if entry.kind == "Patient" and found and "id" in entry.resource:
                            yield entry.resource["id"], found
        except (SourceError, OSError):
            continue  # its own slice says what is wrong with it
