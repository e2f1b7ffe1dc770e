"""Google's service accounts, and what the failures of its Analytics API mean."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
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

# Google shuts a project out of a property for the rest of the hour at ten server errors.
SERVER_ERRORS = 4
_UNKNOWN = re.compile(r"Field (\S+) is not a valid (?:dimension|metric)")


class UnknownField(SourceChanged):
    """The property has no such dimension or metric."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"GA4 does not know {name}; register it under Admin, Custom definitions, or correct "
            "it in caretrace.toml."
        )
        self.name = name


def service_account(source: str, chosen: Mapping[str, Any], scope: str) -> Any:
    """Credentials from the option `credentials_json` (a secret) or `credentials_file`."""
    from google.oauth2.service_account import Credentials

    text, file = chosen["credentials_json"], chosen["credentials_file"]
    if not text and not file:
        raise SourceMisconfigured(
            f"Source '{source}' has neither credentials_file nor credentials_json; give one."
        )
    make: Any = Credentials.from_service_account_info
    problem = "is not a service account's JSON key; download a new one from Google Cloud"
    try:
        info = json.loads(text or Path(str(file)).read_text(encoding="utf-8"))
        return make(info, scopes=[scope])
    except OSError:
        problem = "cannot be read; check the path and its permissions"
    except (ValueError, TypeError, AttributeError, KeyError):
        pass  # its text may quote the key
    name = "credentials_json" if text else "credentials_file"
    raise SourceMisconfigured(f"The {name} of source '{source}' {problem}.")


class Failures:
    """What went wrong with GA4, in words; counts server errors over the whole connection."""

    def __init__(self, source: str, property_id: str) -> None:
        self._source = source
        self._property = property_id
        self._server_errors = 0

    def explain(self, failure: Exception) -> SourceError | Passing:
        """For `patiently`."""
        from google.api_core.exceptions import GoogleAPICallError
        from google.auth.exceptions import RefreshError, TransportError
        from requests import RequestException

        if isinstance(failure, RefreshError):
            return SourceRefused(
                f"Google refused the key of source '{self._source}'; make a new key for the "
                "service account, and check this machine's clock."
            )
        if isinstance(failure, TimeoutError | ConnectionError | TransportError | RequestException):
            return no_answer("GA4", failure)
        if isinstance(failure, GoogleAPICallError):
            return self._status(failure)
        return Passing(
            SourceUnreachable(
                "GA4 answered with something that is not a report "
                f"({type(failure).__name__}); check the endpoint and refresh again."
            )
        )

    def _status(self, failure: Any) -> SourceError | Passing:
        words = str(failure.message)
        status = int(failure.code or 0)
        if status == 429:
            return _quota(words.lower(), retry_after(getattr(failure.response, "headers", {})))
        if status >= 500:
            self._server_errors += 1
            error = SourceUnreachable(f"GA4 failed with status {status}; refresh again in an hour.")
            return error if self._server_errors >= SERVER_ERRORS else Passing(error)
        if status in (401, 403):
            return SourceRefused(self._refusal(status, words))
        if found := _UNKNOWN.search(words):
            return UnknownField(found[1])
        return SourceChanged(
            f"GA4 did not understand our request (status {status}): {redacted(words, ())}"
        )

    def _refusal(self, status: int, words: str) -> str:
        if "has not been used in project" in words or "it is disabled" in words:
            return (
                "The Google Analytics Data API is switched off in the service account's project; "
                "enable it in the Google Cloud console."
            )
        if status == 401:
            return (
                f"GA4 did not accept the key of source '{self._source}'; make a new key for the "
                "service account and put it into credentials_file or credentials_json."
            )
        return (
            f"GA4 does not let the service account read property {self._property}; add the service "
            "account as Viewer (Admin, Property access management), and check the number."
        )


def _quota(words: str, after: float | None) -> SourceError | Passing:
    """Short quotas are waited out; the others say when they are refilled."""
    if "concurrent" in words:
        return throttled("GA4", 30.0 if after is None else after, "too many requests at a time")
    if "per day" in words or "daily" in words:
        return SourceBusy("GA4's daily quota is used up; refresh after midnight Pacific time.")
    if any(word in words for word in ("per hour", "thresholded", "server error")):
        return SourceBusy("GA4's hourly quota is used up; refresh again in 1 hour.")
    return throttled("GA4", after)
