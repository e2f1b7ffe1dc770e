"""A loopback HubSpot: search, batch reads and associations over the rows it is given.

    with HubSpotServer(contacts, deals) as server:     # rows: Contact, Deal
        options = {"endpoint": server.url, "access_token": server.token, ...}

As the real one it finds at most 10,000 results a search, whatever the page, and tells neither
associations nor history in a search. `server.objects["contacts"]["7"]` may be edited.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from servers.loopback import Loopback, Reply, Request, as_json

from connectors.contract import Contact, Deal

VERSION = "2026-03"
MOST_RESULTS = 10_000
# The portal's own properties.
PATIENT_ID, SERVICE_LINE, LOCATION, CHANNEL = "mrn", "service_line", "clinic", "wished_channel"


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
        self.objects: dict[str, dict[str, dict[str, Any]]] = {"contacts": {}, "deals": {}}
        self.restate(*contacts, *deals)

    def restate(self, *rows: Contact | Deal) -> None:
        """Hold these rows from now on, in place of those with the same id."""
        for row in rows:
            if isinstance(row, Contact):
                self.objects["contacts"][row.contact_id] = _contact(row)
            else:
                self.objects["deals"][row.deal_id] = _deal(row)

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
                    return refusal(403, "MISSING_SCOPES", "This app hasn't been granted scopes.")
                if rest == ["search"]:
                    return self._search(self.objects[kind], request.json())
                return self._batch(self.objects[kind], request.json())
            case ["crm", "associations", version, "deals", "contacts", *_] if version == VERSION:
                return self._associations(request.json())
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

    def _associations(self, asked: dict[str, Any]) -> Reply:
        results = []
        for wanted in asked["inputs"]:
            said = self.objects["deals"].get(wanted["id"], {})
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


def _contact(row: Contact) -> dict[str, Any]:
    first, second = _drill_downs(row)
    return {
        "archived": False,
        "history": {"lifecyclestage": _history(row.lifecycle_dates)},
        "properties": {
            "createdate": _at(row.created_at),
            "lastmodifieddate": _at(row.updated_at),
            "email": row.email,
            "phone": row.phone,
            "lifecyclestage": row.lifecycle_stage,
            "hs_lifecyclestage_lead_date": _at(row.lead_at),
            "hs_lifecyclestage_customer_date": _at(row.customer_at),
            "hs_analytics_source": row.original_source,
            "hs_analytics_source_data_1": first,
            "hs_analytics_source_data_2": second,
            "hs_analytics_first_timestamp": _at(row.first_touch_at),
            PATIENT_ID: row.patient_id,
            SERVICE_LINE: row.service_line,
            LOCATION: row.location,
            CHANNEL: row.preferred_channel,
        },
    }


def _drill_downs(row: Contact) -> tuple[str | None, str | None]:
    """What HubSpot shows below an original source."""
    match row.original_source:
        case "PAID_SEARCH":
            return row.utm_campaign, "knee pain doctor"
        case "PAID_SOCIAL":
            return (row.utm_source or "").title(), row.utm_campaign
        case "ORGANIC_SEARCH":
            return "Unknown keywords (SSL)", (row.utm_source or "").upper()
        case "EMAIL_MARKETING":
            return row.utm_campaign, "Newsletter 12"
        case "OTHER_CAMPAIGNS":
            return row.utm_campaign, f"{row.utm_source} / {row.utm_medium}"
        case "DIRECT_TRAFFIC":
            return "www.example.org/knee-pain?name=jane", None
        case "OFFLINE":
            return "IMPORT", "patients.csv"
        case _:
            return row.utm_source, "www.example.org/knee-pain"


def _deal(row: Deal) -> dict[str, Any]:
    return {
        "archived": False,
        "contacts": [row.contact_id] if row.contact_id else [],
        "history": {"dealstage": _history(row.stage_dates)},
        "properties": {
            "createdate": _at(row.created_at),
            "hs_lastmodifieddate": _at(row.updated_at),
            "pipeline": row.pipeline,
            "dealstage": row.stage,
            "closedate": _at(row.closed_at),
            "hs_is_closed": "false" if row.won is None else "true",
            "hs_is_closed_won": "true" if row.won else "false",
            "amount": None if row.amount is None else str(row.amount),
            "deal_currency_code": row.currency,
            SERVICE_LINE: row.service_line,
            LOCATION: row.location,
        },
    }


def _history(dates: str | None) -> list[dict[str, str]]:
    """Newest first, as HubSpot gives it."""
    stages = json.loads(dates or "{}").items()
    return [{"value": v, "timestamp": t, "sourceType": "CRM_UI"} for v, t in reversed(stages)]


def _at(value: datetime | None) -> str | None:
    return (
        None if value is None else value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
