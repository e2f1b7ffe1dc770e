"""What the failures of HubSpot's API mean."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceError,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.options import redacted
from connectors.patience import Passing, no_answer, retry_after, throttled

CONTACTS = "crm.objects.contacts.read"
# What each part needs. HubSpot guards activities by the right to see contacts.
SCOPES = {
    "contacts": (CONTACTS,),
    "deals": ("crm.objects.deals.read",),
    "calls": (CONTACTS,),
    "emails": (CONTACTS, "sales-email-read"),
    "meetings": (CONTACTS,),
    "email_events": ("content",),
    "lists": ("crm.lists.read",),
}
# Where the part stands in an address.
_PLACES = {"email_events": "/email/public/", "lists": "/crm/lists/"}

# What to wait where HubSpot gives no time: it counts requests per ten seconds.
THROTTLE_SECONDS = 10.0


class NotFound(SourceMisconfigured):
    """HubSpot has nothing at this address."""


class Failures:
    """What went wrong with one portal, in words."""

    def __init__(self, source: str, secret: object, parts: Iterable[str]) -> None:
        self._source = source
        self._secret = secret
        self._parts = tuple(parts)

    def explain(self, failure: Exception) -> SourceError | Passing:
        """For `patiently`."""
        from hubspot_sdk import APIConnectionError, APIStatusError

        if isinstance(failure, APIStatusError):
            body = failure.body if isinstance(failure.body, dict) else {}
            return self._status(failure.status_code, body, failure.response)
        if isinstance(failure, TimeoutError | APIConnectionError):
            return no_answer("HubSpot", failure)
        return broken(type(failure).__name__)

    def _status(self, status: int, body: Mapping[str, Any], response: Any) -> SourceError | Passing:
        path = str(response.request.url.path)
        if status == 429:
            return _throttle(body, response.headers)
        if status in (401, 403):
            wanted = self._parts if status == 401 else _parts_at(path) or self._parts
            scopes = _told(body) or dict.fromkeys(s for part in wanted for s in SCOPES[part])
            return SourceRefused(
                f"HubSpot refused the token of source '{self._source}' (status {status}); make a "
                f"private app token with the scopes {', '.join(scopes)} and set access_token."
            )
        if status >= 500 or 300 <= status < 400:
            return broken(f"status {status}")
        if status == 404:
            return NotFound(f"HubSpot has nothing at {path}; check api_version and endpoint.")
        words = redacted(str(body.get("message", "")), (self._secret,))
        return SourceChanged(f"HubSpot did not understand our request (status {status}): {words}")


def _parts_at(path: str) -> tuple[str, ...]:
    return tuple(part for part in SCOPES if _PLACES.get(part, f"/{part}/") in path)


def _told(body: Mapping[str, Any]) -> list[str]:
    """The scopes that HubSpot itself says are missing."""
    told: list[Any] = []
    errors = body.get("errors")
    for error in errors if isinstance(errors, list) else []:
        context = error.get("context") if isinstance(error, dict) else None
        for name in ("requiredGranularScopes", "missingScopes", "requiredScopes"):
            said = context.get(name) if isinstance(context, dict) else None
            told += said if isinstance(said, list) else []
    return [s for s in dict.fromkeys(map(str, told)) if re.fullmatch(r"[a-z][a-z_.-]{2,60}", s)]


def broken(what: str) -> Passing:
    """An answer that is no answer."""
    return Passing(SourceUnreachable(f"HubSpot's answer was broken: {what}. Refresh again later."))


def _throttle(body: Mapping[str, Any], headers: Mapping[str, str]) -> SourceError | Passing:
    if "DAILY" in str(body.get("policyName") or body.get("message")).upper():
        return SourceBusy(
            "HubSpot's daily limit is used up; refresh after midnight in the time zone of the "
            "account."
        )
    after = retry_after(headers)
    return throttled("HubSpot", THROTTLE_SECONDS if after is None else after)
