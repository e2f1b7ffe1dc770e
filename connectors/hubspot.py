"""HubSpot: contacts with their original source and first touch, and deals with their stages.

The search API is asked for what changed between two instants, in order of the record's id, each
page beginning after the last id of the one before. It never pages deeper than one page, so neither
its limit of 10,000 results nor a bulk edit that gives more than that one timestamp can stop it.
What search does not tell (stage history, a deal's contact) is read in batches.

HubSpot's answers name people, so they are not kept as fetched.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any

from connectors.contract import Contact, Deal, Touchpoint
from connectors.errors import SourceMisconfigured, SourceUnreachable
from connectors.hubspot_failures import SCOPES, Failures, NotFound, broken
from connectors.hubspot_rows import (
    CONTACT_PROPERTIES,
    DEAL_PROPERTIES,
    BadValue,
    Names,
    contact,
    deal,
    first_touch,
)
from connectors.options import settings
from connectors.patience import Patience, patiently
from connectors.shapes import shape_of
from connectors.source import ENDPOINT, Context, Cursor, Item, Option, Rejected, Slice, Source

OPTIONS = (
    Option("access_token", "Private app token.", secret=True),
    Option("patient_id_property", "Contact property with the medical record number.", False),
    Option("service_line_property", "Property of contacts and deals with the line.", False),
    Option("location_property", "Property of contacts and deals with the location.", False),
    Option("preferred_channel_property", "Contact property with the wished channel.", False),
    Option("api_version", "Version of HubSpot's API, year and month.", False, default="2026-03"),
    ENDPOINT,
)

# HubSpot restates nothing: what changes gets a new modification time. But its search index lags,
# so the last minutes are left for later and the first are read twice.
RESTATED_DAYS = 0
LAG = timedelta(minutes=5)
OVERLAP = timedelta(minutes=10)

# A long first load is cut into slices that are committed one by one.
SLICE = timedelta(days=31)

MODIFIED = {"contacts": "lastmodifieddate", "deals": "hs_lastmodifieddate"}
STAGE = {"contacts": "lifecyclestage", "deals": "dealstage"}
PAGE = 200
HISTORY_PAGE = 50  # a batch read with history takes no more
PATIENCE = Patience()


def connect(context: Context) -> Source:
    """Open the portal with HubSpot's own client."""
    chosen = settings(context, OPTIONS)
    version = str(chosen["api_version"])
    if not re.fullmatch(r"20\d\d-\d\d", version):
        raise SourceMisconfigured(
            f"The api_version of source '{context.name}' is not a year and month as '2026-03'."
        )
    try:
        from hubspot_sdk import HubSpot
    except ImportError:
        raise SourceMisconfigured(
            f"Source '{context.name}' needs HubSpot's library: pip install 'caretrace[hubspot]'."
        ) from None
    client = HubSpot(
        access_token=chosen["access_token"],
        # Given even when it is HubSpot's own, or the library would look into the environment.
        base_url=chosen["endpoint"] or "https://api.hubapi.com",
        timeout=PATIENCE.socket_seconds,
        max_retries=0,
    )
    names = Names(
        patient_id=chosen["patient_id_property"],
        service_line=chosen["service_line_property"],
        location=chosen["location_property"],
        preferred_channel=chosen["preferred_channel_property"],
    )
    return Portal(context, client, version, names, PATIENCE)


class Portal:
    """One HubSpot account."""

    def __init__(
        self, context: Context, client: Any, version: str, names: Names, patience: Patience
    ) -> None:
        self._context = context
        self._client = client
        self._version = version
        self._names = names
        self._failures = Failures(context.name, client.access_token)
        self._patience = patience

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """Contacts, then deals, that changed since their cursor."""
        self._check_names()
        until = self._context.now - LAG
        for kind, rows in (("contacts", (Contact, Touchpoint)), ("deals", (Deal,))):
            since = datetime.combine(self._context.first_day, datetime.min.time(), UTC)
            if kind in cursors:
                since = datetime.fromisoformat(cursors[kind]) - OVERLAP
            while since < until:
                end = min(since + SLICE, until)
                yield Slice(
                    name=f"{kind} changed {since:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}",
                    rows=rows,
                    cursor_key=kind,
                    read=partial(self._read, kind, since, end),
                )
                since = end

    def probe(self) -> str:
        """How many contacts and deals there are."""
        self._check_names()
        found = {kind: self._search(kind, [], 1).get("total", 0) for kind in SCOPES}
        return (
            f"HubSpot account {self._details.get('portalId')} answers; "
            f"contacts: {found['contacts']:,}, deals: {found['deals']:,}."
        )

    @cached_property
    def _details(self) -> dict[str, Any]:
        return self._get(f"/account-info/{self._version}/details")

    def _check_names(self) -> None:
        """HubSpot ignores unknown properties in a search, so a misspelt one would stay empty."""
        for name in self._names.asked():
            try:
                self._get(f"/crm/properties/{self._version}/contacts/{name}")
            except NotFound:
                missing = name
            else:
                continue
            raise SourceMisconfigured(
                f"HubSpot has no contact property '{missing}', which source "
                f"'{self._context.name}' asks for; correct its internal name in caretrace.toml."
            )

    def _read(self, kind: str, since: datetime, until: datetime) -> Iterator[Item]:
        number = 0
        for page in self._changed(kind, since, until):
            history = self._history(kind, [str(said["id"]) for said in page])
            contacts = self._contacts_of(page) if kind == "deals" else {}
            for said in page:
                number += 1
                if said.get("archived"):
                    continue
                past = history.get(str(said["id"]), ())
                try:
                    yield from self._rows(kind, said, past, contacts.get(str(said["id"])))
                except BadValue as bad:
                    yield Rejected(
                        file=f"HubSpot {kind}",
                        row_number=number,
                        column=bad.column,
                        shape=shape_of(bad.value),
                        reason=bad.reason,
                        table="contact" if kind == "contacts" else "deal",
                    )
        yield Cursor(until.isoformat())

    def _rows(
        self, kind: str, said: dict[str, Any], past: Sequence[Any], contact_id: str | None
    ) -> list[Item]:
        if kind == "deals":
            currency = str(self._details.get("companyCurrency") or "USD")
            return [deal(said, past, contact_id, currency, self._names)]
        row = contact(said, past, self._names)
        touch = first_touch(said, row)
        return [row] if touch is None else [row, touch]

    def _changed(
        self, kind: str, since: datetime, until: datetime
    ) -> Iterator[list[dict[str, Any]]]:
        """Pages of what changed between two instants, both included, in order of id."""
        bounds = [
            {"propertyName": MODIFIED[kind], "operator": "GTE", "value": _milliseconds(since)},
            {"propertyName": MODIFIED[kind], "operator": "LTE", "value": _milliseconds(until)},
        ]
        last = 0
        while True:
            beyond = {"propertyName": "hs_object_id", "operator": "GT", "value": str(last)}
            page = self._search(kind, [*bounds, beyond], PAGE)["results"]
            if not page:
                return
            ids = [int(said["id"]) for said in page]
            if ids[0] <= last or ids != sorted(ids):
                raise SourceUnreachable(
                    f"HubSpot's search gave {kind} twice or out of order; refresh again later."
                )
            yield page
            if len(page) < PAGE:
                return
            last = ids[-1]

    def _search(self, kind: str, filters: list[dict[str, str]], limit: int) -> dict[str, Any]:
        properties = CONTACT_PROPERTIES if kind == "contacts" else DEAL_PROPERTIES
        body = {
            "filterGroups": [{"filters": filters}] if filters else [],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": [*properties, *self._names.asked()],
            "limit": limit,
        }
        return self._post(f"/crm/objects/{self._version}/{kind}/search", body, limit)

    def _history(self, kind: str, ids: list[str]) -> dict[str, Sequence[Any]]:
        """Every record's stages with the times they were set."""
        found: dict[str, Sequence[Any]] = {}
        for start in range(0, len(ids), HISTORY_PAGE):
            body = {
                "inputs": [{"id": number} for number in ids[start : start + HISTORY_PAGE]],
                "properties": [STAGE[kind]],
                "propertiesWithHistory": [STAGE[kind]],
            }
            page = self._post(f"/crm/objects/{self._version}/{kind}/batch/read", body)
            for said in page["results"]:
                past = said.get("propertiesWithHistory") or {}
                found[str(said["id"])] = past.get(STAGE[kind]) or ()
        return found

    def _contacts_of(self, deals: list[dict[str, Any]]) -> dict[str, str]:
        """The contact of each deal; of several, the one that HubSpot has known longest."""
        body = {"inputs": [{"id": str(said["id"])} for said in deals]}
        page = self._post(f"/crm/associations/{self._version}/deals/contacts/batch/read", body)
        return {
            str(said["from"]["id"]): min((str(to["toObjectId"]) for to in said["to"]), key=int)
            for said in page["results"]
            if said.get("to")
        }

    def _get(self, path: str) -> dict[str, Any]:
        return self._ask(lambda raw: self._client.get(path, **raw))

    def _post(self, path: str, body: dict[str, Any], limit: int | None = None) -> dict[str, Any]:
        def whole(answer: dict[str, Any]) -> dict[str, Any]:
            results = answer.get("results")
            if not isinstance(results, list):
                raise broken("without results")
            short = limit is not None and len(results) < limit
            if short and int(answer.get("total", 0)) > len(results):
                raise broken(f"{len(results)} of {answer['total']} results on the only page")
            return answer

        return self._ask(lambda raw: self._client.post(path, body=body, **raw), whole)

    def _ask(self, call: Any, whole: Any = lambda answer: answer) -> dict[str, Any]:
        import httpx

        raw = {"cast_to": httpx.Response, "options": {"follow_redirects": False}}

        def ask() -> dict[str, Any]:
            answer = call(raw).json()
            if not isinstance(answer, dict):
                raise broken("not an object")
            whole(answer)
            return answer

        return patiently(ask, self._failures.explain, self._patience)


def _milliseconds(at: datetime) -> str:
    return str(round(at.timestamp() * 1000))
