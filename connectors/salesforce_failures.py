"""What the failures of Salesforce's API mean.

Salesforce quotes the query, and with it record ids, in what it says about a mistake: of its words
only error codes and names of objects and fields are told on.
"""

import re
from collections.abc import Callable
from typing import Any

from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceError,
    SourceMisconfigured,
    SourceRefused,
    SourceUnreachable,
)
from connectors.patience import Passing, no_answer, throttled

# What to wait where Salesforce names no time: it limits how many long requests run at once.
THROTTLE_SECONDS = 20.0

_FIELD = re.compile(r"No such column '([\w.]+)' on (?:entity|sobject of type) '?(\w+)")
_OBJECT = re.compile(r"sObject type '(\w+)' is not supported|/sobjects/(\w+)/")
_SLOW = {"QUERY_TIMEOUT", "OPERATION_TOO_LARGE", "QUERY_TOO_COMPLICATED"}
_PASSING = {
    "UNABLE_TO_LOCK_ROW",
    "SERVER_UNAVAILABLE",
    "UNKNOWN_EXCEPTION",
    "CANNOT_POST_TO_ARCHIVE",
}


class TooSlow(SourceUnreachable):
    """Salesforce gave up on a query; a smaller one may do."""


class ObjectHidden(SourceRefused):
    """Salesforce does not show us an object, or has none of that name."""


class LostPlace(SourceUnreachable):
    """Salesforce has forgotten where a paged query was."""


class Failures:
    """What went wrong with one organisation, in words.

    `after` tells how long the last answer asked to be left alone; the library drops that.
    """

    def __init__(self, source: str, after: Callable[[], float | None]) -> None:
        self._source = source
        self._after = after

    def explain(self, failure: Exception) -> SourceError | Passing:
        """For `patiently`."""
        from requests.exceptions import RequestException
        from simple_salesforce.exceptions import SalesforceAuthenticationFailed, SalesforceError

        if isinstance(failure, SalesforceAuthenticationFailed):
            return self._login(failure.code)
        if isinstance(failure, SalesforceError):
            return self.said(failure.status, failure.content, failure.url)
        # A JSONDecodeError of `requests` is both: the body was cut short, or a maintenance page.
        if isinstance(failure, ValueError):
            return broken("it is not whole")
        if isinstance(failure, TimeoutError | RequestException):
            return no_answer("Salesforce", failure)
        return broken(type(failure).__name__)

    def said(self, status: int, content: Any, url: str = "") -> SourceError | Passing:
        """The meaning of an error that came with a status, or in place of an answer."""
        errors = content if isinstance(content, list) else [content]
        first = errors[0] if errors and isinstance(errors[0], dict) else {}
        code, words = str(first.get("errorCode", "")), str(first.get("message", ""))
        return (
            self._limit(status, code, words)
            or self._query(code, words, url)
            or self._refusal(status, code)
        )

    def _limit(self, status: int, code: str, words: str) -> SourceError | Passing | None:
        if code == "REQUEST_LIMIT_EXCEEDED" and not words.startswith("Concurrent"):
            return SourceBusy(
                "Salesforce's limit of API requests in 24 hours is used up; refresh again in a few "
                "hours, or ask your administrator for more requests (Setup, System Overview)."
            )
        if status == 429 or code == "REQUEST_LIMIT_EXCEEDED":
            after = self._after()
            return throttled("Salesforce", THROTTLE_SECONDS if after is None else after)
        return None

    def _query(self, code: str, words: str, url: str) -> SourceError | None:
        if code in _SLOW:
            return TooSlow(
                "Salesforce gave up on a query that took too long; refresh again at a quieter hour."
            )
        if code == "INVALID_QUERY_LOCATOR":
            return LostPlace("Salesforce lost its place in a long query; refresh again later.")
        if found := _FIELD.search(words):
            return field_hidden(self._source, [f"{found[2]}.{found[1]}"])
        if code in {"INVALID_TYPE", "NOT_FOUND"} and (found := _OBJECT.search(f"{words} {url}")):
            return ObjectHidden(
                f"Salesforce does not show source '{self._source}' the object "
                f"{found[1] or found[2]}; give its user Read on it, or leave it out of 'objects'. "
                "If it shows none at all, check api_version and domain."
            )
        return None

    def _refusal(self, status: int, code: str) -> SourceError | Passing:
        if status == 401:
            return SourceRefused(
                f"Salesforce ended the session of source '{self._source}' right after the log-in; "
                "give the connected app the scope 'api' and its user the permission 'API Enabled'."
            )
        if code in _PASSING or status >= 500 or 300 <= status < 400 or not code:
            return broken(f"status {status}")
        if status == 403:
            return SourceRefused(
                f"Salesforce refused source '{self._source}' ({code}); give its user 'API Enabled' "
                "and Read on what it loads, and the connected app the scope 'api'."
            )
        if status == 404:
            return SourceMisconfigured(
                f"Salesforce has nothing at the address that source '{self._source}' asked; check "
                "api_version, domain and endpoint."
            )
        return SourceChanged(
            f"Salesforce did not understand our request ({code}, status {status})."
        )

    def _login(self, code: object) -> SourceError | Passing:
        """`code` is OAuth's word, or a status where the answer was no JSON."""
        if code == "rate_limit_exceeded" or code == 429:
            after = self._after()
            return throttled("Salesforce", THROTTLE_SECONDS if after is None else after, "log-ins")
        if code is None or isinstance(code, int) or code in {"server_error", "unknown_error"}:
            return broken(f"the log-in gave {code or 'no reason'}")
        return SourceRefused(
            f"Salesforce refused the log-in of source '{self._source}' ({code}); check "
            "consumer_key and domain, and that the connected app is approved for its user and "
            "holds the certificate of the private key (or allows client credentials)."
        )


def field_hidden(source: str, names: list[str]) -> SourceRefused:
    """Fields that a source's user may not see."""
    return SourceRefused(
        f"Salesforce does not show source '{source}' {', '.join(names)}; give its user Read on "
        f"{'them' if len(names) > 1 else 'it'} (Field-Level Security), or name "
        f"{'them' if len(names) > 1 else 'it'} in 'leave_out'."
    )


def broken(what: str) -> Passing:
    """An answer that is no answer."""
    return Passing(
        SourceUnreachable(f"Salesforce's answer was broken: {what}. Refresh again later.")
    )
