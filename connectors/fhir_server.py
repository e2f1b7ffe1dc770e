"""A FHIR R4 server: people, visits, payments, messages and consents, by search or bulk export."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from connectors.errors import SourceChanged
from connectors.fhir_api import VENDOR, Api, exact, server_time
from connectors.fhir_auth import Smart, key_text
from connectors.fhir_bulk import Bulk
from connectors.fhir_lookup import Lookup
from connectors.fhir_reading import READING, Reading, read_settings
from connectors.fhir_resources import KINDS, POINTED_AT
from connectors.fhir_search import Search
from connectors.options import settings
from connectors.patience import Patience
from connectors.rest import Answer
from connectors.source import Context, Option, Slice

OPTIONS = (
    Option("endpoint", "Base address of the FHIR server, such as https://ehr.example.org/fhir."),
    Option("mode", "search, bulk, or auto: bulk where the server offers it.", required=False,
           default="auto"),
    Option("auth", "smart, bearer or none.", required=False, default="smart"),
    Option("client_id", "Id of the client that was registered for SMART.", required=False),
    Option("private_key", "The client's private key, PEM or JWK.", required=False, secret=True),
    Option("key_file", "File that holds the private key instead.", required=False, path=True),
    Option("key_id", "The `kid` under which the public key was registered.", required=False),
    Option("scope", "SMART scopes, instead of those of the resources.", required=False),
    Option("access_token", "Token of a gateway, for auth = bearer.", required=False, secret=True),
    Option("resources", "Types to read, instead of all.", required=False),
    Option("page_size", "Resources asked for at once.", required=False, default=500),
    Option("group", "Id of the Group to export, instead of everything.", required=False),
    Option("export", "system or patient: which export to ask for.", required=False,
           default="system"),
    Option("type_filter", "_typeFilter of the export.", required=False),
    *READING,
)  # fmt: skip
PATIENCE = Patience()
_CHOICES = {"mode": ("auto", "search", "bulk"), "auth": ("smart", "bearer", "none"),
            "export": ("system", "patient")}  # fmt: skip
_EXPORTS = {"export", "patient-export", "group-export"}


def connect(context: Context) -> "FhirServer":
    """Check the settings; raises SourceMisconfigured with everything that is wrong."""
    given = settings(context, OPTIONS)
    reading = read_settings(context, _problems(given))
    chosen = given["resources"]
    if chosen:
        kinds = tuple(kind for kind in reading.kinds if kind in chosen)
        reading = Reading(reading.system, kinds, reading.rules, f"{reading.key}:{','.join(kinds)}")
    smart = None
    if given["auth"] == "smart":
        key = key_text(context.name, given["private_key"], given["key_file"])
        smart = Smart(
            context.name, given["endpoint"], str(given["client_id"]), key,
            key_id=given["key_id"], scope=given["scope"],
            kinds=(*reading.kinds, *POINTED_AT), patience=PATIENCE,
        )  # fmt: skip
    token = given["access_token"] if given["auth"] == "bearer" else None
    api = Api(context.name, given["endpoint"], PATIENCE, smart=smart, token=token)
    return FhirServer(context, given, reading, api)


def _problems(given: Mapping[str, Any]) -> list[str]:
    found = [f"{name}: {given[name]!r} is none of {', '.join(choices)}"
             for name, choices in _CHOICES.items() if given[name] not in choices]  # fmt: skip
    chosen = given["resources"] or ()
    found += [f"resources: {kind} is none of {', '.join(KINDS)}"
              for kind in chosen if kind not in KINDS]  # fmt: skip
    if given["auth"] == "smart" and not given["client_id"]:
        found.append("client_id is missing, which SMART sign-in needs")
    if given["auth"] == "bearer" and not given["access_token"]:
        found.append("access_token is missing, which auth = bearer needs")
    size = given["page_size"]
    if not isinstance(size, int) or not 1 <= size <= 10_000:
        found.append("page_size must be a whole number from 1 to 10,000")
    return found


@dataclass(slots=True)
class FhirServer:
    """One FHIR server."""

    context: Context
    given: Mapping[str, Any]
    reading: Reading
    api: Api

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """What changed since the last refresh, by search or by export."""
        said, clock = self._capabilities()
        if self._mode(said) == "bulk":
            yield from self._bulk().slices(cursors)
            return
        first = datetime.combine(self.context.first_day, time(), UTC)
        # Of two clocks the one that is behind is safe: nothing is later than it says.
        now = min(self.context.now, clock or self.context.now)
        yield from self._search(said).slices(cursors, first, now)

    def probe(self) -> str:
        """Which server it is, how it will be read, and how many patients it has."""
        said, clock = self._capabilities()
        software = said.get("software")
        name = software.get("name") if isinstance(software, dict) else None
        if self.api.smart:
            self.api.smart.header()
        mode = self._mode(said)
        words = f"{name or 'The FHIR server'} (FHIR {said['fhirVersion']}) answers"
        if clock and abs(clock - self.context.now) > timedelta(minutes=10):
            words += "; its clock and ours differ by more than 10 minutes"
        if mode == "bulk":
            missing = self._not_granted()
            more = f", without {', '.join(missing)} (not granted)" if missing else ""
            return f"{words} and is read by bulk export{more}."
        total = self.api.get("Patient", "Patient", {"_summary": "count"}).get("total")
        count = f"{total:,} patients" if isinstance(total, int) else "patients"
        return f"{words}, lets {count} be searched and is read by search."

    def _capabilities(self) -> tuple[dict[str, Any], datetime | None]:
        def read(answer: Answer) -> tuple[dict[str, Any], datetime | None]:
            return exact(answer), server_time(answer)

        said, clock = self.api.ask("metadata", "metadata", read=read)
        version = str(said.get("fhirVersion"))
        if said.get("resourceType") != "CapabilityStatement" or version[:3] not in ("4.0", "4.3"):
            raise SourceChanged(
                f"{VENDOR} of source '{self.context.name}' does not speak FHIR R4; give the base "
                "address of its R4 interface as endpoint in caretrace.toml."
            )
        return said, clock

    def _mode(self, said: Mapping[str, Any]) -> str:
        mode = str(self.given["mode"])
        return mode if mode != "auto" else "bulk" if _can_export(said) else "search"

    def _search(self, said: Mapping[str, Any]) -> Search:
        histories = frozenset(
            str(kind.get("type"))
            for kind in _resources(said)
            if "history-type" in {i.get("code") for i in kind.get("interaction") or ()}
        )
        lookup = Lookup(self.api, self.reading, searchable=True)
        return Search(self.api, self.reading, lookup, self.given["page_size"], histories)

    def _bulk(self) -> Bulk:
        lookup = Lookup(self.api, self.reading, searchable=False)
        path = "$export" if self.given["export"] == "system" else "Patient/$export"
        if self.given["group"]:
            path = f"Group/{self.given['group']}/$export"
        return Bulk(self.api, self.reading, lookup, path, self.given["type_filter"])

    def _not_granted(self) -> list[str]:
        granted = self.api.smart.granted if self.api.smart else ""
        if not granted or "system/*" in granted:
            return []
        return [kind for kind in self.reading.kinds if f"system/{kind}." not in granted]


def _resources(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    rest = said.get("rest")
    sides = [side for side in (rest if isinstance(rest, list) else []) if isinstance(side, dict)]
    return [kind for side in sides for kind in side.get("resource") or ()]


def _can_export(said: Mapping[str, Any]) -> bool:
    rest = said.get("rest")
    sides = [side for side in (rest if isinstance(rest, list) else []) if isinstance(side, dict)]
    named = [o for part in (*sides, *_resources(said)) for o in part.get("operation") or ()]
    return bool(_EXPORTS & {operation.get("name") for operation in named}) or any(
        "bulk-data" in str(guide) for guide in said.get("instantiates") or ()
    )
