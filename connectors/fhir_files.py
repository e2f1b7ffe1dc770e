"""FHIR files: R4 bundles and bulk-export NDJSON in a folder, as people, visits and payments."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo, available_timezones

from connectors.contract import Appointment, Encounter, Payment, Person, Row
from connectors.drops import Drop, DropFile, Plan, kinds_of, opened, suffix_of
from connectors.errors import SourceError, SourceMisconfigured
from connectors.fhir_groups import DIAGNOSES, PAYERS, PROCEDURES, SERVICE_LINES, Groups
from connectors.fhir_links import Links, patient_key
from connectors.fhir_rows import PAYMENTS, RECORDS, Mapper, Rules, Unmappable
from connectors.readers import changed, unpacked
from connectors.shapes import shape_of
from connectors.source import Context, Item, Option, Rejected, Slice

OPTIONS = (
    Option("folder", "Folder that the FHIR files are dropped into.", path=True),
    Option("patient_identifier_system", "System of the identifier that patients are known by; "
           "without it, the resource's id.", required=False),
    Option("service_lines", "Table of code or text pattern to service line, before the built-in.",
           required=False),
    Option("payments_from", "Resources that money is read from.", required=False,
           default=("ExplanationOfBenefit", "Invoice")),
    Option("currency", "Currency of amounts that name none.", required=False),
    Option("timezone", "Time zone of days without a time.", required=False, default="UTC"),
)  # fmt: skip
_ROWS: tuple[type[Row], ...] = (Person, Appointment, Encounter, Payment)
_SUFFIXES = {f"{form}{packed}" for form in (".json", ".ndjson", ".jsonl")
             for packed in ("", ".gz", ".zst")}  # fmt: skip
_TABLES = {"Patient": "person", "Appointment": "appointment"} | dict.fromkeys(
    ("Encounter", "Condition", "Procedure"), "encounter"
)
_CLINICAL = ("Condition", "Procedure")
_VERSION = 1  # raised when the same resources make other rows
MOST_BYTES = 256 << 20  # of one bundle, which is held in memory


def connect(context: Context) -> "FhirFiles":
    """Check the settings; raises SourceMisconfigured with everything that is wrong."""
    given = context.options
    payments = tuple(given.get("payments_from") or OPTIONS[3].default)
    zone = str(given.get("timezone") or "UTC")
    problems = [f"payments_from: {kind} is none of {', '.join(PAYMENTS)}"
                for kind in payments if kind not in PAYMENTS]  # fmt: skip
    if not given.get("folder"):
        problems.append("folder is missing")
    if zone not in available_timezones():
        problems.append(f"timezone {zone!r} is no name such as America/New_York")
    lines = Groups(())
    try:
        lines = Groups.of(dict(given.get("service_lines") or {}), SERVICE_LINES)
    except (re.error, TypeError, ValueError) as error:
        problems.append(f"service_lines: {error}")
    if problems:
        raise SourceMisconfigured(f"Source '{context.name}': {'; '.join(problems)}.")
    _model("Patient")
    rules = Rules(
        zone=ZoneInfo(zone),
        currency=given.get("currency"),
        service_lines=lines,
        diagnoses=Groups.of(DIAGNOSES),
        procedures=Groups.of(PROCEDURES),
        payers=Groups.of(PAYERS),
    )
    mappers = dict(RECORDS) | {kind: PAYMENTS[kind] for kind in payments}
    stated = {name: given.get(name) for name in (option.name for option in OPTIONS[1:])}
    key = hashlib.sha256(f"{_VERSION} {json.dumps(stated, default=str)}".encode()).hexdigest()[:16]
    folder = Path(str(given["folder"])).expanduser()
    return FhirFiles(
        context.name, folder, given.get("patient_identifier_system"), mappers, rules, key
    )


@dataclass(slots=True)
class FhirFiles:
    """A folder of FHIR files."""

    name: str
    folder: Path
    system: str | None
    mappers: Mapping[str, Mapper]
    rules: Rules
    key: str
    _patients: dict[str, str] | None = None

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """One slice for each file whose content is new."""
        self._patients = None
        return self._drop().slices(cursors)

    def probe(self) -> str:
        """How many files there are to read."""
        files = [file for file in self._drop().files() if self._plan(file)]
        return f"{self.folder} holds {kinds_of(files) or 'no FHIR file'} to read."

    def read(self, file: DropFile, stream: BinaryIO) -> Iterator[Item]:
        """The rows and rejects of one file."""
        for documents in _documents(file.name, unpacked(file.name, stream)):
            yield from self._rows(file.name, documents)

    def _drop(self) -> Drop:
        return Drop(self.name, self.folder, self._plan)

    def _plan(self, file: DropFile) -> Plan | None:
        return Plan(_ROWS, self.key, self.read) if suffix_of(file.name) in _SUFFIXES else None

    def _rows(self, name: str, entries: list["Entry"]) -> Iterator[Item]:
        """Rows of resources that may point at each other."""
        links = Links(self.system, self._elsewhere)
        for entry in entries:
            links.note(entry.url, entry.resource)
        for entry in entries:
            if entry.kind in _CLINICAL:
                checked = _checked(name, entry)
                if isinstance(checked, Rejected):
                    yield checked
                else:
                    links.note_clinical(checked)
        for entry in entries:
            if entry.kind in self.mappers:
                yield from self._mapped(name, entry, links)
            elif not entry.kind:
                reason = "is not a FHIR resource"
                yield Rejected(name, entry.number, "resourceType", "", reason)

    def _mapped(self, name: str, entry: "Entry", links: Links) -> Iterator[Item]:
        checked = _checked(name, entry)
        if isinstance(checked, Rejected):
            yield checked
            return
        try:
            yield from self.mappers[entry.kind](checked, links, self.rules)
        except Unmappable as fault:
            yield Rejected(name, entry.number, fault.element, "empty", fault.reason, entry.table)

    def _elsewhere(self, own: str) -> str | None:
        """The key of a patient who is in another file of the folder, or was in an earlier one."""
        if self.system is None:
            return own
        if self._patients is None:
            self._patients = dict(_patient_keys(self._drop().files(), self.system))
        return self._patients.get(own, own)


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

    @property
    def table(self) -> str:
        """The table that a row of it would be in."""
        if self.kind in PAYMENTS:
            return Payment.spec.table
        return _TABLES.get(self.kind, "")


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


def _checked(name: str, entry: Entry) -> Any:
    """The resource as the library's model, or why the library refuses it."""
    from pydantic import ValidationError

    try:
        return _model(entry.kind).model_validate(entry.resource)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        path = ".".join(str(part) for part in (entry.kind, *first["loc"]))
        value = first["input"]
        shape = "a part with parts" if isinstance(value, dict | list) else shape_of(str(value))
        kind = first["type"].replace("_", " ")  # the library's own words may repeat the value
        return Rejected(
            name, entry.number, path, shape, f"is not valid FHIR R4 ({kind})", entry.table
        )


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
        if suffix_of(file.name) not in _SUFFIXES:
            continue
        try:
            with opened(file) as stream:
                for entries in _documents(file.name, unpacked(file.name, stream)):
                    for entry in entries:
                        found = patient_key(entry.resource, system)
                        if entry.kind == "Patient" and found and "id" in entry.resource:
                            yield entry.resource["id"], found
        except (SourceError, OSError):
            continue  # its own slice says what is wrong with it
