"""A loopback Zendesk Sell: resources in pages, and a Sync API that keeps a queue for each device.

    with SellServer(sample(date(2026, 11, 24))) as server:
        options = {"endpoint": server.url, "access_token": server.token}

`server.put("leads", {...})` makes or changes a record, `server.delete("leads", 1)` takes it away.
As the real one it refuses requests without a User-Agent, hands each thing of a queue out once a
session, and sends again in the next session what was not acknowledged.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from servers.loopback import Loopback, Reply, Request, as_json

MRN, LINE, CLINIC, CHANNEL, UTM = "MRN", "Service line", "Clinic", "Wished channel", "utm_source"
OWN_FIELDS = {
    "patient_id_field": MRN,
    "service_line_field": LINE,
    "location_field": CLINIC,
    "preferred_channel_field": CHANNEL,
    "utm_source_field": UTM,
}
KINDS = {
    "leads": "lead", "contacts": "contact", "deals": "deal", "calls": "call",
    "lead_conversions": "lead_conversion", "lead_sources": "source", "stages": "stage",
    "pipelines": "pipeline", "tasks": "task",
}  # fmt: skip
QUEUED = ("leads", "contacts", "deals", "calls", "stages")
SORTED_BY_CHANGE = ("leads", "contacts", "deals")
Resources = dict[str, list[dict[str, Any]]]


def at(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def sample(today: date) -> Resources:
    """A lead, a person who was one and bought, a company, a call."""
    noon = datetime.combine(today, datetime.min.time(), UTC) + timedelta(hours=12)

    def days(count: int) -> str:
        return at(noon - timedelta(days=count))

    own = {MRN: "MRN-2", LINE: "orthopedics", CLINIC: "North", CHANNEL: "sms"}
    return {
        "leads": [
            {
                "id": 1, "first_name": "Ann", "last_name": "Doe", "email": "ann@example.org",
                "phone": "(212) 555-0101", "mobile": None, "source_id": 10, "status": "Working",
                "tags": ["knee"], "custom_fields": {LINE: "orthopedics", UTM: "Google"},
                "created_at": days(9), "updated_at": days(3),
            },
        ],
        "contacts": [
            {
                "id": 1, "is_organization": False, "last_name": "Roe", "email": "bo@example.org",
                "phone": None, "mobile": "(212) 555-0102", "customer_status": "current",
                "prospect_status": "none", "custom_fields": own, "created_at": days(8),
                "updated_at": days(2),
            },
            {
                "id": 2, "is_organization": True, "name": "Clinic Inc.", "custom_fields": {},
                "created_at": days(8), "updated_at": days(8),
            },
        ],
        "deals": [
            {
                "id": 1, "name": "Knee", "value": "1250.50", "currency": "USD", "contact_id": 1,
                "stage_id": 22, "source_id": 10, "last_stage_change_at": days(2),
                "custom_fields": {LINE: "orthopedics"}, "created_at": days(7),
                "updated_at": days(2),
            },
        ],
        "calls": [
            {
                "id": 1, "incoming": True, "missed": False, "duration": 95,
                "phone_number": "+1 212 555 0102", "resource_type": "contact", "resource_id": 1,
                "made_at": days(8), "updated_at": days(8), "summary": "asked about her knee",
            },
        ],
        "lead_conversions": [
            {
                "id": 1, "lead_id": 77, "individual_id": 1, "organization_id": None, "deal_id": 1,
                "created_at": days(8),
            },
        ],
        "lead_sources": [{"id": 10, "name": "Web form"}],
        "stages": [
            {"id": 21, "name": "Consult", "category": "in_progress", "pipeline_id": 30},
            {"id": 22, "name": "Won", "category": "won", "pipeline_id": 30},
            {"id": 23, "name": "Lost", "category": "lost", "pipeline_id": 30},
        ],
        "pipelines": [{"id": 30, "name": "Surgery"}],
    }  # fmt: skip


def refusal(status: int, code: str, words: str = "no") -> Reply:
    """Sell's error."""
    body = {"errors": [{"error": {"code": code, "message": words}, "meta": {"type": "error"}}]}
    return as_json(
        body | {"meta": {"type": "errors_collection", "http_status": str(status)}}, status
    )


class SellServer(Loopback):
    """One account."""

    def __init__(self, resources: Resources | None = None, *, queue_page: int = 100) -> None:
        super().__init__()
        self.token = "0123456789abcdef" * 4
        self.plan_has_sync = True
        self.links = True  # whether a page tells where the next one is
        self.queue_page = queue_page
        self.failed: list[tuple[str, int]] = []  # what the queue fails to put in, once
        self.resources: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in KINDS}
        self.revisions: dict[tuple[str, int], int] = {}
        self.deleted: set[tuple[str, int]] = set()
        self.acknowledged: dict[str, set[str]] = {}
        self._queues: dict[str, list[tuple[str, int]]] = {}
        given = resources if resources is not None else sample(datetime.now(UTC).date())
        for name, rows in given.items():
            self.put(name, *rows)

    def put(self, name: str, *rows: Mapping[str, Any]) -> None:
        for row in rows:
            key = (name, int(row["id"]))
            self.resources[name][key[1]] = {**self.resources[name].get(key[1], {}), **row}
            self.revisions[key] = self.revisions.get(key, 0) + 1

    def delete(self, name: str, number: int) -> None:
        del self.resources[name][number]
        self.deleted.add((name, number))
        self.revisions[name, number] += 1

    def answer(self, request: Request) -> Reply:
        if not request.headers.get("user-agent"):
            return refusal(400, "invalid_user_agent")
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return refusal(401, "invalid_token", "The access token is invalid.")
        match request.path.strip("/").split("/")[1:]:
            case ["accounts", "self"]:
                return as_json({"data": {"id": 4242, "name": "Clinic"}, "meta": {}})
            case ["sync", *rest]:
                return self._sync(request, rest)
            case ["tasks"] if request.method == "POST":
                return self._task(request.json()["data"])
            case [name] if name in KINDS:
                return self._list(name, request.query)
            case ["tasks", number] if request.method == "PUT":
                if int(number) not in self.resources["tasks"]:
                    return refusal(404, "not_found")
                self.resources["tasks"][int(number)] |= request.json()["data"]
                return as_json({"data": self.resources["tasks"][int(number)]})
            case [name, number] if name in KINDS:
                found = self.resources[name].get(int(number))
                return as_json({"data": found}) if found else refusal(404, "not_found")
        return refusal(404, "not_found")

    def _task(self, given: dict[str, Any]) -> Reply:
        owners = self.resources[f"{given['resource_type']}s"]
        if given["resource_id"] not in owners or not given.get("content"):
            return refusal(422, "schema_validation_failed", "resource_id is invalid")
        number = len(self.resources["tasks"]) + 1
        self.resources["tasks"][number] = {"id": number, "completed": False, **given}
        return as_json({"data": self.resources["tasks"][number], "meta": {"type": "task"}})

    def _list(self, name: str, query: Mapping[str, str]) -> Reply:
        rows = list(self.resources[name].values())
        if kind := query.get("resource_type"):
            place = (kind, query["resource_id"])
            rows = [r for r in rows if (r["resource_type"], str(r["resource_id"])) == place]
        if lead := query.get("lead_id"):
            rows = [row for row in rows if str(row["lead_id"]) == lead]
        if sort := query.get("sort_by"):
            if name not in SORTED_BY_CHANGE:
                return refusal(422, "invalid_parameter")
            field, _, way = sort.partition(":")
            rows.sort(key=lambda row: row[field], reverse=way == "desc")
        elif name == "lead_conversions":
            rows.sort(key=lambda row: row["id"], reverse=True)
        page, size = int(query.get("page", 1)), min(int(query.get("per_page", 25)), 100)
        part = rows[(page - 1) * size : page * size]
        links = {}
        if self.links and page * size < len(rows):
            following = urlencode({**query, "page": page + 1})
            links = {"next_page": f"https://api.getbase.com/v2/{name}?{following}"}
        items = [{"data": row, "meta": {"type": KINDS[name]}} for row in part]
        meta = {"type": "collection", "count": len(part), "links": links}
        return as_json({"items": items, "meta": meta})

    def _sync(self, request: Request, rest: list[str]) -> Reply:
        device = request.headers.get("x-basecrm-device-uuid")
        if not self.plan_has_sync:
            return refusal(403, "access_denied", "The plan does not include the Sync API.")
        if not device:
            return refusal(400, "device_uuid_missing")
        known = self.acknowledged.setdefault(device, set())
        match rest:
            case ["start"]:
                new = [k for k in self.revisions if k[0] in QUEUED and self._key(k) not in known]
                if not new:
                    return Reply(204)
                session = f"session-{len(self._queues) + 1}"
                self._queues[session] = new
                queue = {"data": {"name": "main", "pages": 1, "total_count": len(new)}}
                return as_json({"data": {"id": session, "queues": [queue]}}, 201)
            case [session, "queues", "main"] if session in self._queues:
                return self._next(session)
            case ["ack"]:
                known.update(request.json()["data"]["ack_keys"])
                return Reply(202)
        return refusal(404, "not_found")

    def _key(self, key: tuple[str, int]) -> str:
        return f"{KINDS[key[0]].title()}-{key[1]}-{self.revisions[key]}"

    def _next(self, session: str) -> Reply:
        queue = self._queues[session]
        part, self._queues[session] = queue[: self.queue_page], queue[self.queue_page :]
        if not part:
            return Reply(204)
        failed = [key for key in part if key in self.failed]
        self.failed = [key for key in self.failed if key not in failed]
        items = []
        for name, number in part:
            if (name, number) in failed:
                continue
            gone = (name, number) in self.deleted
            event = "deleted" if gone else "created"
            sync = {"event_type": event, "ack_key": self._key((name, number)), "revision": 1}
            data = {"id": number} if gone else self.resources[name][number]
            items.append({"data": data, "meta": {"type": KINDS[name], "sync": sync}})
        told = [{"type": KINDS[name], "id": number} for name, number in failed]
        left = len(self._queues[session])
        meta = {"type": "collection", "count": len(items), "count_left": left}
        return as_json({"items": items, "meta": meta | {"failed_objects": told}})
