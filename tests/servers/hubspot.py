"""A loopback HubSpot: search, batch reads, associations, lists and e-mail events.

    with HubSpotServer(contacts, deals) as server:     # rows: Contact, Deal
        options = {"endpoint": server.url, "access_token": server.token, ...}

As the real one it finds at most 10,000 results a search, whatever the page, and tells neither
associations nor history in a search. `server.objects["contacts"]["7"]`, `server.events` and
`server.lists` may be edited; `server.scopes` names the parts that the token may see.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from servers.hubspot_objects import (
    CHANNEL,
    LOCATION,
    PATIENT_ID,
    SERVICE_LINE,
    activity,
    contact,
    deal,
    event,
    sent_by,
    stamp,
)
from servers.loopback import Loopback, Reply, Request, as_json

from connectors.contract import Contact, Deal

VERSION = "2026-03"
MOST_RESULTS = 10_000
GRANULAR = {
    "contacts": "crm.objects.contacts.read", "deals": "crm.objects.deals.read",
    "calls": "crm.objects.contacts.read", "emails": "sales-email-read",
    "meetings": "crm.objects.contacts.read", "email_events": "content", "lists": "crm.lists.read",
    "list_members": "crm.lists.write",
}  # fmt: skip
KINDS = ("contacts", "deals", "calls", "emails", "meetings")
__all__ = ["CHANNEL", "LOCATION", "PATIENT_ID", "SERVICE_LINE", "HubSpotServer", "sample"]


def refusal(status: int, category: str, words: str, **more: str) -> Reply:
    """HubSpot's error."""
    body = {"status": "error", "message": words, "category": category, "correlationId": "c-1"}
    return as_json(body | more, status)


def too_many(retry_after: str | None = None, policy: str = "TEN_SECONDLY_ROLLING") -> Reply:
    """HubSpot's 429; some of its gateways leave out the header."""
    words = f"You have reached your {policy.lower()} limit."
    body = {"status": "error", "message": words, "errorType": "RATE_LIMIT", "policyName": policy}
    return as_json(body, 429, {} if retry_after is None else {"retry-after": retry_after})


class HubSpotServer(Loopback):
    """One portal."""

    def __init__(
        self,
        contacts: Iterable[Contact] = (),
        deals: Iterable[Deal] = (),
        *,
        currency: str = "USD",
    ) -> None:
        super().__init__()
        self.token = "loopback-hubspot-token"
        self.currency = currency
        self.scopes = {"contacts", "deals"}
        self.properties = {PATIENT_ID, SERVICE_LINE, LOCATION, CHANNEL}
        self.objects: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in KINDS}
        self.events: list[dict[str, Any]] = []
        self.campaigns = {"77": "Spring letter"}
        self.lists: dict[str, list[tuple[str, datetime]]] = {}
        self.dynamic: set[str] = set()  # lists that rules fill
        self.added: list[str] = []  # who was put on a list, in order
        self.most = 1000  # events or members on a page
        self.restate(*contacts, *deals)

    def restate(self, *rows: Contact | Deal) -> None:
        """Hold these rows from now on, in place of those with the same id."""
        for row in rows:
            if isinstance(row, Contact):
                self.objects["contacts"][row.contact_id] = contact(row)
            else:
                self.objects["deals"][row.deal_id] = deal(row)

    def answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return refusal(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
        match request.path.strip("/").split("/"):
            case ["account-info", version, "details"] if version == VERSION:
                return as_json(
                    {
                        "portalId": 4242,
                        "companyCurrency": self.currency,
                        "timeZone": "America/New_York",
                    }
                )
            case ["crm", "properties", version, "contacts", name] if version == VERSION:
                if name in self.properties:
                    return as_json({"name": name})
                return refusal(404, "OBJECT_NOT_FOUND", f"Property {name} does not exist.")
            case ["crm", "objects", version, kind, *rest] if version == VERSION:
                if kind not in self.scopes:
                    return self._no_scope(kind)
                if not rest:
                    return self._list(self.objects[kind], request.query)
                if rest == ["search"]:
                    return self._search(self.objects[kind], request.json())
                return self._batch(self.objects[kind], request.json())
            case ["crm", "associations", version, kind, "contacts", *_] if version == VERSION:
                return self._associations(kind, request.json())
            case ["crm", "lists", version, *rest] if version == VERSION and self._fills(rest):
                return self._fill(rest, request.json())
            case ["crm", "lists", version, number, "memberships", "join-order"] if (
                version == VERSION
            ):
                return self._members(number, request.query)
            case ["email", "public", "v1", "events"]:
                return self._events(request.query)
            case ["email", "public", "v1", "campaigns", number] if number in self.campaigns:
                name = self.campaigns[number]
                return as_json({"id": int(number), "name": name, "subject": "Your knee, Jane"})
        return refusal(404, "NOT_FOUND", "No such address.")

    def _search(self, objects: dict[str, dict[str, Any]], asked: dict[str, Any]) -> Reply:
        limit, after = asked.get("limit", 10), int(asked.get("after") or 0)
        if limit > 200 or after + limit > MOST_RESULTS:
            return refusal(400, "VALIDATION_ERROR", "Paging past 10,000 results.")
        filters = [f for group in asked["filterGroups"] for f in group["filters"]]
        found = [
            (int(number), said)
            for number, said in objects.items()
            if not said["archived"] and all(_passes(number, said, f) for f in filters)
        ]
        found.sort(key=lambda item: item[0])
        results = [
            {
                "id": str(number),
                "properties": {
                    "hs_object_id": str(number),
                    **{n: said["properties"].get(n) for n in asked["properties"]},
                },
                "archived": False,
            }
            for number, said in found[after : after + limit]
        ]
        reply: dict[str, Any] = {"total": len(found), "results": results}
        if after + limit < len(found):
            reply["paging"] = {"next": {"after": str(after + limit)}}
        return as_json(reply)

    def _list(self, objects: dict[str, dict[str, Any]], query: dict[str, str]) -> Reply:
        """What was archived, or what was not, in order of id."""
        gone = query.get("archived") == "true"
        limit, after = min(int(query.get("limit", 10)), self.most), int(query.get("after", 0))
        found = sorted((int(n), s) for n, s in objects.items() if s["archived"] == gone)
        names = query.get("properties", "").split(",")
        results = [
            {
                "id": str(number),
                "properties": {name: said["properties"].get(name) for name in names},
                "archived": gone,
                **({"archivedAt": said.get("archivedAt")} if gone else {}),
            }
            for number, said in found[after : after + limit]
        ]
        body: dict[str, Any] = {"results": results}
        if after + limit < len(found):
            body["paging"] = {"next": {"after": str(after + limit)}}
        return as_json(body)

    def _batch(self, objects: dict[str, dict[str, Any]], asked: dict[str, Any]) -> Reply:
        wanted = asked.get("propertiesWithHistory") or []
        ids = [i["id"] for i in asked["inputs"]]
        if len(ids) > (50 if wanted else 100):
            return refusal(400, "VALIDATION_ERROR", "Too many inputs.")
        results = [
            {
                "id": number,
                "properties": {
                    n: objects[number]["properties"].get(n) for n in asked["properties"]
                },
                "propertiesWithHistory": {n: objects[number]["history"].get(n, []) for n in wanted},
            }
            for number in ids
            if number in objects
        ]
        missing = len(ids) - len(results)
        errors = {"numErrors": missing, "errors": [{"category": "OBJECT_NOT_FOUND"}]}
        body = {"status": "COMPLETE", "results": results} | (errors if missing else {})
        return as_json(body, 207 if missing else 200)

    def _no_scope(self, part: str) -> Reply:
        error = {"message": "missing", "context": {"requiredGranularScopes": [GRANULAR[part]]}}
        body = {"status": "error", "message": "The token lacks scopes.", "errors": [error]}
        return as_json(body | {"category": "MISSING_SCOPES"}, 403)

    def _events(self, query: dict[str, str]) -> Reply:
        """Newest first, from an opaque offset on."""
        if "email_events" not in self.scopes:
            return self._no_scope("email_events")
        since, until = int(query["startTimestamp"]), int(query["endTimestamp"])
        found = [said for said in self.events if since <= said["created"] <= until]
        found.sort(key=lambda said: (-said["created"], said["id"]))
        place = int(query.get("offset", "o0")[1:])
        limit = min(int(query.get("limit", 10)), self.most)
        more = place + limit < len(found)
        part = found[place : place + limit]
        return as_json({"events": part, "hasMore": more, "offset": f"o{place + limit}"})

    def _members(self, number: str, query: dict[str, str]) -> Reply:
        if "lists" not in self.scopes:
            return self._no_scope("lists")
        if number not in self.lists:
            return refusal(404, "OBJECT_NOT_FOUND", "List does not exist.")
        place = int(query.get("after", "0"))
        limit = min(int(query.get("limit", 100)), self.most)
        part = self.lists[number][place : place + limit]
        results = [{"recordId": who, "membershipTimestamp": stamp(at)} for who, at in part]
        body: dict[str, Any] = {"results": results}
        if place + limit < len(self.lists[number]):
            body["paging"] = {"next": {"after": str(place + limit)}}
        return as_json(body)

    @staticmethod
    def _fills(rest: list[str]) -> bool:
        return len(rest) == 1 or rest[-1] in ("add", "remove") or rest[-2:] == ["batch", "read"]

    def _fill(self, rest: list[str], asked: Any) -> Reply:
        """What a list is, who of some contacts is on which, and who is put on one."""
        if "list_members" not in self.scopes:
            return self._no_scope("list_members")
        if rest[-1] == "read":
            if len(asked["inputs"]) > 100:
                return refusal(400, "VALIDATION_ERROR", "Too many inputs.")
            return as_json(
                {
                    "status": "COMPLETE",
                    "results": [
                        {
                            "objectTypeId": one["objectTypeId"],
                            "recordId": one["recordId"],
                            "recordListMemberships": [
                                {"listId": number, "listVersion": 1}
                                for number, members in self.lists.items()
                                if one["recordId"] in {who for who, _ in members}
                            ],
                        }
                        for one in asked["inputs"]
                    ],
                }
            )
        number = rest[0]
        if number not in self.lists:
            return refusal(404, "OBJECT_NOT_FOUND", "List does not exist.")
        if len(rest) == 1:
            kind = "DYNAMIC" if number in self.dynamic else "MANUAL"
            return as_json({"list": {"listId": number, "processingType": kind}})
        known = {who for who, _ in self.lists[number]}
        if rest[-1] == "remove":
            self.lists[number] = [one for one in self.lists[number] if one[0] not in asked]
            gone = [one for one in asked if one in known]
            return as_json(
                {"recordsIdsAdded": [], "recordIdsRemoved": gone, "recordIdsMissing": []}
            )
        new = [one for one in asked if one in self.objects["contacts"] and one not in known]
        missing = [one for one in asked if one not in self.objects["contacts"]]
        self.lists[number] += [(one, datetime.now(UTC)) for one in new]
        self.added += new
        return as_json(
            {"recordsIdsAdded": new, "recordIdsRemoved": [], "recordIdsMissing": missing}
        )

    def _associations(self, kind: str, asked: dict[str, Any]) -> Reply:
        results = []
        for wanted in asked["inputs"]:
            said = self.objects[kind].get(wanted["id"], {})
            to = [
                {"toObjectId": int(number), "associationTypes": [{"typeId": 3, "label": None}]}
                for number in said.get("contacts", ())
            ]
            if to:
                results.append({"from": {"id": wanted["id"]}, "to": to})
        return as_json({"status": "COMPLETE", "results": results})


def _passes(number: str, said: dict[str, Any], wanted: dict[str, str]) -> bool:
    name = wanted["propertyName"]
    if name == "hs_object_id":
        value, bound = int(number), int(wanted["value"])
    else:
        at = datetime.fromisoformat(said["properties"][name])
        value, bound = round(at.timestamp() * 1000), int(wanted["value"])
    match wanted["operator"]:
        case "GT":
            return value > bound
        case "GTE":
            return value >= bound
        case "LTE":
            return value <= bound
    raise ValueError(wanted["operator"])


def sample(server: HubSpotServer, today: date) -> HubSpotServer:
    """A call, an e-mail, a meeting, a mailing with a click, and a list; all of two days ago."""
    noon = datetime.combine(today - timedelta(days=2), time(12), UTC)
    minute = timedelta(minutes=1)
    server.scopes = set(GRANULAR)
    inbound = {"hs_call_direction": "INBOUND", "hs_call_duration": "61000"}
    server.objects["calls"]["901"] = activity(
        noon, ("1",), **inbound, hs_call_status="COMPLETED", hs_call_from_number="+12125550100"
    )
    server.objects["emails"]["902"] = activity(noon, ("1",), hs_email_direction="INCOMING_EMAIL")
    server.objects["meetings"]["903"] = activity(noon, ("1",), hs_meeting_outcome="COMPLETED")
    sending = {"sentBy": sent_by("ev-1", noon)}
    server.events = [
        event("ev-1", "SENT", noon),
        event("ev-2", "DELIVERED", noon + minute, **sending),
        event("ev-3", "OPEN", noon + 2 * minute, **sending),
        event("ev-4", "CLICK", noon + 3 * minute, **sending),
    ]
    server.lists = {"38": [("1", noon)]}
    return server
