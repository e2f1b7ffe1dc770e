"""A loopback Google Analytics 4 Data API: runReport over the rows it is given.

    with Ga4Server(rows) as server:          # rows: WebSessions
        options = {"property": "123", "endpoint": server.url, "credentials_json": server.key}

It checks the signature, the claims and the scope of the client's self-signed JWT. A row whose
`landing_group` begins with "/" has that text as its landing page; of others it is the first part.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import fields
from datetime import date
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
    ) -> None:
        super().__init__()
        self.property_id = property_id
        self.time_zone = time_zone
        self.rows: list[WebSessions] = list(rows)
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
        if unknown := set(names) - set(_DIMENSIONS) | set(metrics) - set(_METRICS):
            return _failure(400, "INVALID_ARGUMENT", f"Field {min(unknown)} is not valid.")
        grouped: dict[tuple[str, ...], list[float]] = {}
        for row in self.rows:
            if since <= row.day <= until:
                values = grouped.setdefault(
                    tuple(_DIMENSIONS[n](row) for n in names), [0.0] * len(metrics)
                )
                for place, name in enumerate(metrics):
                    values[place] += _METRICS[name](row)
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
