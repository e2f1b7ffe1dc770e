"""HubSpot's API, asked with its own client: searches, batches and pages, each answer whole."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from connectors.errors import SourceUnreachable
from connectors.hubspot_failures import Failures, broken
from connectors.patience import Patience, patiently

PAGE = 200
HISTORY_PAGE = 50  # a batch read with history takes no more
EVENTS_PAGE = 1000
MEMBERS_PAGE = 250
ARCHIVED_PAGE = 100

History = dict[str, Sequence[Mapping[str, Any]]]  # property -> its values, each with its time


class Api:
    """One portal, as one token may see it."""

    def __init__(self, client: Any, version: str, failures: Failures, patience: Patience) -> None:
        self._client = client
        self._version = version
        self._failures = failures
        self._patience = patience

    @cached_property
    def details(self) -> dict[str, Any]:
        """The account: its number and currency."""
        return self.get(f"/account-info/{self._version}/details")

    def property_of_contacts(self, name: str) -> None:
        """Raises NotFound where contacts have no such property."""
        self.get(f"/crm/properties/{self._version}/contacts/{name}")

    def count(self, kind: str) -> int:
        """How many objects of a kind there are."""
        return int(self._search(kind, (), [], 1).get("total", 0))

    def changed(
        self, kind: str, modified: str, properties: Iterable[str], since: datetime, until: datetime
    ) -> Iterator[list[dict[str, Any]]]:
        """Pages of what changed between two instants, both included, in order of id."""
        asked = tuple(properties)
        bounds = [
            {"propertyName": modified, "operator": "GTE", "value": milliseconds(since)},
            {"propertyName": modified, "operator": "LTE", "value": milliseconds(until)},
        ]
        last = 0
        while True:
            beyond = {"propertyName": "hs_object_id", "operator": "GT", "value": str(last)}
            page = self._search(kind, asked, [*bounds, beyond], PAGE)["results"]
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

    def _search(
        self,
        kind: str,
        properties: tuple[str, ...],
        filters: list[dict[str, str]],
        limit: int,
    ) -> dict[str, Any]:
        body = {
            "filterGroups": [{"filters": filters}] if filters else [],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": list(properties),
            "limit": limit,
        }
        return self._post(f"/crm/objects/{self._version}/{kind}/search", body, limit)

    def history(self, kind: str, ids: Sequence[str], names: Sequence[str]) -> dict[str, History]:
        """Every record's values of some properties with the times they were set."""
        found: dict[str, History] = {}
        for start in range(0, len(ids), HISTORY_PAGE):
            body = {
                "inputs": [{"id": number} for number in ids[start : start + HISTORY_PAGE]],
                "properties": list(names),
                "propertiesWithHistory": list(names),
            }
            page = self._post(f"/crm/objects/{self._version}/{kind}/batch/read", body)
            for said in page["results"]:
                found[str(said["id"])] = said.get("propertiesWithHistory") or {}
        return found

    def contacts_of(self, kind: str, ids: Iterable[str]) -> dict[str, str]:
        """The contact of each object; of several, the one that HubSpot has known longest."""
        body = {"inputs": [{"id": number} for number in ids]}
        page = self._post(f"/crm/associations/{self._version}/{kind}/contacts/batch/read", body)
        return {
            str(said["from"]["id"]): min((str(to["toObjectId"]) for to in said["to"]), key=int)
            for said in page["results"]
            if said.get("to")
        }

    def archived(
        self, kind: str, properties: Iterable[str], limit: int = ARCHIVED_PAGE
    ) -> Iterator[list[dict[str, Any]]]:
        """Pages of what was archived, in order of id; HubSpot keeps it for ninety days."""
        params: dict[str, Any] = {
            "archived": "true",
            "limit": limit,
            "properties": ",".join(properties),
        }
        yield from self._pages(f"/crm/objects/{self._version}/{kind}", params, f"archived {kind}")

    def members(self, number: str, limit: int = MEMBERS_PAGE) -> Iterator[list[dict[str, Any]]]:
        """Pages of a list's members with the times they joined."""
        path = f"/crm/lists/{self._version}/{number}/memberships/join-order"
        yield from self._pages(path, {"limit": limit}, f"list {number}")

    def _pages(
        self, path: str, params: dict[str, Any], what: str
    ) -> Iterator[list[dict[str, Any]]]:
        while True:
            page = self.get(path, params, "results")
            yield page["results"]
            after = ((page.get("paging") or {}).get("next") or {}).get("after")
            if after is None:
                return
            params = self._onwards(params, "after", after, what)

    def events(
        self, since: datetime, until: datetime, limit: int = EVENTS_PAGE
    ) -> Iterator[list[dict[str, Any]]]:
        """Pages of the events of marketing e-mails between two instants.

        HubSpot has no path with a date for them: this is version 1, which ends in September 2027.
        """
        params: dict[str, Any] = {
            "startTimestamp": milliseconds(since),
            "endTimestamp": milliseconds(until),
            "limit": limit,
        }
        while True:
            page = self.get("/email/public/v1/events", params, "events")
            yield page["events"]
            if not page.get("hasMore"):
                return
            params = self._onwards(params, "offset", page.get("offset"), "e-mail events")

    def _onwards(self, params: dict[str, Any], name: str, place: Any, what: str) -> dict[str, Any]:
        if not place or params.get(name) == place:
            raise SourceUnreachable(f"HubSpot gave a page of {what} twice; refresh again later.")
        return {**params, name: place}

    def get(
        self, path: str, params: Mapping[str, Any] | None = None, listed: str | None = None
    ) -> dict[str, Any]:
        """What is at a path; `listed` is the list that the answer must have."""
        more = {"params": dict(params)} if params else {}

        def whole(answer: dict[str, Any]) -> None:
            if listed and not isinstance(answer.get(listed), list):
                raise broken(f"without {listed}")

        return self._ask(lambda raw: self._client.get(path, **_with(raw, more)), whole)

    def _post(self, path: str, body: dict[str, Any], limit: int | None = None) -> dict[str, Any]:
        def whole(answer: dict[str, Any]) -> None:
            results = answer.get("results")
            if not isinstance(results, list):
                raise broken("without results")
            short = limit is not None and len(results) < limit
            if short and int(answer.get("total", 0)) > len(results):
                raise broken(f"{len(results)} of {answer['total']} results on the only page")

        return self._ask(lambda raw: self._client.post(path, body=body, **raw), whole)

    def _ask(
        self, call: Callable[[dict[str, Any]], Any], whole: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        import httpx

        raw = {"cast_to": httpx.Response, "options": {"follow_redirects": False}}

        def ask() -> dict[str, Any]:
            answer = call(raw).json()
            if not isinstance(answer, dict):
                raise broken("not an object")
            whole(answer)
            return answer

        return patiently(ask, self._failures.explain, self._patience)


def milliseconds(at: datetime) -> str:
    """An instant as HubSpot's filters want it."""
    return str(round(at.timestamp() * 1000))


def _with(raw: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    return {**raw, "options": {**raw["options"], **options}}
