"""A loopback Google Analytics 4 Data API: runReport over the rows it is given.

    with Ga4Server(rows) as server:          # rows: WebSessions
        options = {"property": "123", "endpoint": server.url, "credentials_json": server.key}

    with Ga4Server(rows, key_events=[KeyEvent(...)]) as server:

Reports by event are made of `key_events`.

It checks the signature, the claims and the scope of the client's self-signed JWT. A row whose
`landing_group` begins with "/" has that text as its landing page; of others it is the first part.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from servers.loopback import Loopback, Reply, Request, as_json

from connectors.contract import WebSessions

SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
_DIMENSIONS = {
    "date": lambda row: row.day.strftime("%Y%m%d"),
    "sessionSource": lambda row: row.utm_source,
    "sessionMedium": lambda row: row.utm_medium,
    "sessionCampaignId": lambda row: row.campaign_id,
    "sessionCampaignName": lambda row: row.utm_campaign,
    "landingPage": lambda row: _page(row.landing_group),
}


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """A key event of one visitor; `at` is on the property's clock."""

    at: datetime
    name: str = "generate_lead"
    lead: str = "(not set)"
    source: str = "google"
    medium: str = "cpc"
    campaign_id: str = "77"
    campaign: str = "knee"
    page: str = "/knee-pain"
    # What the attribution model gives it to: source, medium, campaign's id and name, share.
    credited: tuple[tuple[str, str, str, str, float], ...] = ()
    share: float = 1.0

    def parts(self) -> list["KeyEvent"]:
        """The event as often as it is credited, each time with its share."""
        return [
            replace(
                self, source=source, medium=medium, campaign_id=number, campaign=name, share=share
            )
            for source, medium, number, name, share in self.credited
        ] or [self]

    @property
    def day(self) -> date:
        return self.at.date()


_OF_EVENTS = {
    "date": lambda event: event.at.strftime("%Y%m%d"),
    "dateHourMinute": lambda event: event.at.strftime("%Y%m%d%H%M"),
    "eventName": lambda event: event.name,
    "sessionSource": lambda event: event.source,
    "sessionMedium": lambda event: event.medium,
    "sessionCampaignId": lambda event: event.campaign_id,
    "sessionCampaignName": lambda event: event.campaign,
    "landingPage": lambda event: event.page,
    "source": lambda event: event.source,
    "medium": lambda event: event.medium,
    "campaignId": lambda event: event.campaign_id,
    "campaignName": lambda event: event.campaign,
}
_METRICS = {
    "sessions": lambda row: row.sessions,
    "engagedSessions": lambda row: row.engaged_sessions,
    "keyEvents": lambda row: row.key_events,
}


def quota(words: str, retry_after: str | None = None) -> Reply:
    """Google's answer when a quota is used up."""
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return _failure(429, "RESOURCE_EXHAUSTED", words, headers)


CONCURRENT = "Exhausted concurrent requests quota. Please send fewer requests concurrently."
HOURLY = (
    "Exhausted property tokens for a project per hour. These quota tokens will return in under "
    "an hour."
)


class Ga4Server(Loopback):
    """One property with its rows, in its own time zone."""

    def __init__(
        self,
        rows: Iterable[WebSessions] = (),
        *,
        property_id: str = "123456789",
        time_zone: str = "America/New_York",
        key_events: Iterable[KeyEvent] = (),
        lead_dimension: str = "customEvent:lead_id",
    ) -> None:
        super().__init__()
        self.property_id = property_id
        self.time_zone = time_zone
        self.rows: list[WebSessions] = list(rows)
        self.key_events = list(key_events)
        self.lead_dimension = lead_dimension  # registered at the property
        self.key_event_metric = "keyEvents"  # or "conversions", before May 2024
        self.sampled_beyond_days: int | None = None
        self.thresholded = False
        self.other_row = False
        self.trusts_key = True
        self.grants_access = True

    @property
    def key(self) -> str:
        """The service account's JSON key, as downloaded from Google Cloud."""
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "loopback",
                "private_key_id": "1",
                "private_key": _pem(),
                "client_email": "caretrace@loopback.iam.gserviceaccount.com",
                "token_uri": f"{self.url}/token",
            }
        )

    def restate(self, *rows: WebSessions) -> None:
        """Say something else from now on about the keys of these rows."""
        keys = {_key(row) for row in rows}
        self.rows = [row for row in self.rows if _key(row) not in keys] + list(rows)

    def answer(self, request: Request) -> Reply:
        if problem := self._unsigned(request.headers.get("authorization", "")):
            return _failure(401, "UNAUTHENTICATED", problem)
        if not self.grants_access or self.property_id not in request.path:
            return _failure(403, "PERMISSION_DENIED", "User does not have sufficient permissions.")
        if request.path != f"/v1beta/properties/{self.property_id}:runReport":
            return _failure(404, "NOT_FOUND", "No such method.")
        return self._report(request.json())

    def _report(self, asked: dict[str, Any]) -> Reply:
        days = asked["dateRanges"][0]
        since, until = (date.fromisoformat(days[end]) for end in ("startDate", "endDate"))
        names = [d["name"] for d in asked.get("dimensions", ())]
        metrics = [m["name"] for m in asked["metrics"]]
        chosen = asked.get("dimensionFilter", {}).get("filter", {})
        of_events = "eventName" in names or bool(chosen)
        known = dict(_OF_EVENTS if of_events else _DIMENSIONS)
        if of_events:
            known[self.lead_dimension] = lambda event: event.lead
        measured = {self.key_event_metric: lambda event: event.share}
        if not of_events:
            measured = {k: v for k, v in _METRICS.items() if k != "keyEvents"}
            measured[self.key_event_metric] = _METRICS["keyEvents"]
        for kind, unknown in (
            ("dimension", set(names) - known.keys()),
            ("metric", set(metrics) - measured.keys()),
        ):
            if unknown:
                words = f"Field {min(unknown)} is not a valid {kind}. For a list, see the docs."
                return _failure(400, "INVALID_ARGUMENT", words)
        if len(names) > 9:
            return _failure(400, "INVALID_ARGUMENT", "Requests are limited to 9 dimensions.")
        among = chosen.get("inListFilter", {}).get("values")
        rows: list[Any] = list(self.key_events if of_events else self.rows)
        if among is not None:
            rows = [row for row in rows if row.name in among]
        if "source" in names:  # of the event, not of its session
            rows = [part for row in rows for part in row.parts()]
        grouped: dict[tuple[str, ...], list[float]] = {}
        for row in rows:
            if since <= row.day <= until:
                values = grouped.setdefault(
                    tuple(known[n](row) for n in names), [0.0] * len(metrics)
                )
                for place, name in enumerate(metrics):
                    values[place] += measured[name](row)
        offset, limit = int(asked.get("offset", 0)), int(asked.get("limit", 10_000))
        found = sorted(grouped.items())
        metadata: dict[str, Any] = {"currencyCode": "USD", "timeZone": self.time_zone}
        most_days = self.sampled_beyond_days
        if most_days is not None and (until - since).days >= most_days:
            metadata["samplingMetadatas"] = [
                {"samplesReadCount": "500000", "samplingSpaceSize": "2000000"}
            ]
        if self.thresholded:
            metadata["subjectToThresholding"] = True
        if self.other_row:
            metadata["dataLossFromOtherRow"] = True
        reply: dict[str, Any] = {
            "dimensionHeaders": [{"name": name} for name in names],
            "metricHeaders": [{"name": name, "type": "TYPE_FLOAT"} for name in metrics],
            "rows": [_row(key, values) for key, values in found[offset : offset + limit]],
            "rowCount": len(found),
            "metadata": metadata,
            "propertyQuota": {"tokensPerDay": {"consumed": 1, "remaining": 199_999}},
            "kind": "analyticsData#runReport",
        }
        # The client sends enums as numbers: 1 is TOTAL.
        if found and 1 in asked.get("metricAggregations", ()):
            sums = [
                sum(values[place] for values in grouped.values()) for place in range(len(metrics))
            ]
            reply["totals"] = [_row(("RESERVED_TOTAL",) * len(names), sums)]
        return as_json(reply)

    def _unsigned(self, authorization: str) -> str | None:
        """What is wrong with the token, if anything."""
        try:
            head, body, signature = authorization.removeprefix("Bearer ").split(".")
            _key_pair().public_key().verify(
                _decoded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
            claims = json.loads(_decoded(body))
        except (ValueError, InvalidSignature):
            return "Request had invalid authentication credentials."
        if SCOPE not in claims.get("scope", "") or claims["exp"] <= claims["iat"]:
            return "Request had insufficient authentication scopes."
        return None if self.trusts_key else "Request had invalid authentication credentials."


def _failure(status: int, name: str, words: str, headers: dict[str, str] | None = None) -> Reply:
    body = {"error": {"code": status, "message": words, "status": name}}
    return as_json(body, status, headers)


def _row(dimensions: Iterable[str], values: Iterable[float]) -> dict[str, Any]:
    return {
        "dimensionValues": [{"value": value} for value in dimensions],
        "metricValues": [
            {"value": f"{value:g}" if value % 1 else f"{value:.0f}"} for value in values
        ],
    }


def _page(group: str) -> str:
    return group if group.startswith("/") else f"/{group}" if group else "(not set)"


def _key(row: WebSessions) -> tuple[object, ...]:
    return tuple(getattr(row, f.name) for f in fields(row) if f.name in WebSessions.spec.key)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@cache
def _key_pair() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def _pem() -> str:
    return (
        _key_pair()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def sample(today: date) -> tuple[list[WebSessions], list[KeyEvent]]:
    """Three days of visits before `today`, and a lead with a number on each."""
    days = [today - timedelta(days=back) for back in (3, 2, 1)]
    visits = [
        WebSessions(day, "America/New_York", "google", "cpc", "77", "knee", "knee-pain", 40, 30, 1)
        for day in days
    ]
    leads = [
        KeyEvent(datetime.fromisoformat(f"{day}T14:05"), lead=f"L-{number}")
        for number, day in enumerate(days, start=1)
    ]
    return visits, leads
