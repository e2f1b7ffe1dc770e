"""What the failures of the Google Ads API mean.

An error carries a list of `GoogleAdsError`s in the call's trailing metadata; the status alone says
little. Errors about quota say there how long to wait.
"""

from collections.abc import Iterable
from typing import Any, Protocol

from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceError,
    SourceRefused,
    SourceUnreachable,
)
from connectors.options import redacted
from connectors.patience import Passing, no_answer, throttled

# Google asks for a pause after a short burst and does not always say how long.
BURST_SECONDS = 30.0
STALE = frozenset({"OAUTH_TOKEN_EXPIRED", "OAUTH_TOKEN_INVALID", "OAUTH_TOKEN_REVOKED"})
BURSTS = frozenset(
    {"RESOURCE_TEMPORARILY_EXHAUSTED", "EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION"}
)
PASSES = frozenset({"internal_error", "database_error"})

# Others of the same source can still be read.
_ONE_CUSTOMER = {
    "USER_PERMISSION_DENIED": "give the user or service account read access to it (Admin, Access "
    "and security), and name the manager account in login_customer_id if access comes through one",
    "INVALID_LOGIN_CUSTOMER_ID_SERVING_CUSTOMER_ID_COMBINATION": "login_customer_id must be the "
    "manager account that it is linked to",
    "CUSTOMER_NOT_ENABLED": "it is cancelled or its sign-up was never finished; reactivate it or "
    "take it out of customer_ids",
    "CUSTOMER_NOT_FOUND": "there is no such account; check customer_ids",
    "ACCESS_DENIED_FOR_ACCOUNT_TYPE": "accounts of its kind cannot be read; take it out of "
    "customer_ids",
    "ACTION_NOT_PERMITTED_FOR_SUSPENDED_ACCOUNT": "it is suspended; settle that with Google",
    "REQUESTED_METRICS_FOR_MANAGER": "it is a manager account; name the accounts below it in "
    "customer_ids, and the manager in login_customer_id",
}
_ASK = "ask for access in the API Center of the manager account that owns it"
_EVERYBODY = {
    "DEVELOPER_TOKEN_NOT_APPROVED": f"the developer token is for test accounts only; {_ASK}",
    "DEVELOPER_TOKEN_NOT_ON_ALLOWLIST": f"the developer token may not do this; {_ASK}",
    "DEVELOPER_TOKEN_PROHIBITED": "the developer token belongs to another Google Cloud project; "
    "use the project that it was first used with",
    "DEVELOPER_TOKEN_INVALID": "the developer token is wrong; copy it from the API Center",
    "PROJECT_DISABLED": "the Google Cloud project is disabled; enable it",
    "NOT_ADS_USER": "the Google account has no Google Ads account; invite it to one",
    "TWO_STEP_VERIFICATION_NOT_ENROLLED": "the user must switch on two-step verification",
}


class CustomerRefused(SourceRefused):
    """One customer cannot be read; others of the same source may be."""


class Token(Protocol):
    """What is known of the token at hand."""

    def forget(self) -> bool: ...


class Failures:
    """What went wrong, in words."""

    def __init__(
        self, source: str, version: str, errors: Any, token: Token, secrets: Iterable[object]
    ) -> None:
        self._source = source
        self._version = version
        self._errors = errors
        self._token = token
        self._secrets = tuple(secrets)

    def explain(self, customer: str, failure: Exception) -> SourceError | Passing:
        """For `patiently`."""
        from google.api_core.exceptions import GoogleAPICallError
        from google.auth.exceptions import RefreshError, TransportError
        from requests import RequestException

        if isinstance(failure, RefreshError):
            return self._no_token(failure)
        if isinstance(failure, TimeoutError | ConnectionError | TransportError | RequestException):
            return no_answer("Google Ads", failure)
        if isinstance(failure, GoogleAPICallError):
            return self._call(customer, failure)
        return broken(type(failure).__name__)

    def _no_token(self, failure: Any) -> SourceError | Passing:
        said = failure.args[1] if len(failure.args) > 1 else None
        if failure.retryable or not isinstance(said, dict):  # a proxy's page refuses nothing
            return broken("its sign-in failed")
        return SourceRefused(
            f"Google refused to sign in source '{self._source}': the consent has expired or was "
            "withdrawn, or the key is wrong. Make a new refresh_token (publish the OAuth app, or "
            "it lasts 7 days) or a new key, and check this machine's clock."
        )

    def _call(self, customer: str, failure: Any) -> SourceError | Passing:
        for error in self._reported(failure):
            kind = error._pb.error_code.WhichOneof("error_code") or ""
            code = getattr(getattr(error.error_code, kind, None), "name", "")
            if explained := self._reason(customer, kind, code, error):
                return explained
        return self._status(failure)

    def _reported(self, failure: Any) -> list[Any]:
        """The errors that came with the status; none where it was cut off or is a proxy's."""
        call = failure.response
        trailers = call.trailing_metadata() if hasattr(call, "trailing_metadata") else None
        for name, value in trailers or ():
            if name.endswith("googleadsfailure-bin"):
                try:
                    return list(self._errors.GoogleAdsFailure.deserialize(value).errors)
                except Exception:  # another shape says nothing more
                    return []
        return []

    def _reason(
        self, customer: str, kind: str, code: str, error: Any
    ) -> SourceError | Passing | None:
        if kind == "quota_error":
            return _quota(code, error.details.quota_error_details)
        if kind in PASSES:
            return broken(code)
        if code in STALE:
            return self._stale(code)
        if code in _ONE_CUSTOMER:
            return CustomerRefused(
                f"Google Ads refused customer {shown(customer)} ({code}): {_ONE_CUSTOMER[code]}."
            )
        if code in _EVERYBODY:
            return SourceRefused(
                f"Google Ads refused source '{self._source}' ({code}): {_EVERYBODY[code]}."
            )
        if kind in ("authentication_error", "authorization_error"):
            return SourceRefused(
                f"Google Ads refused source '{self._source}' ({code}); check the developer token "
                "and the rights of the user or service account."
            )
        if code == "UNSUPPORTED_VERSION":
            return self._too_old()
        words = redacted(str(error.message), self._secrets)
        return SourceChanged(
            f"Google Ads {self._version} did not understand our question ({code}): {words}"
        )

    def _stale(self, code: str) -> SourceError | Passing:
        """A token that was good a moment ago is made anew; another is of no use."""
        refusal = SourceRefused(
            f"Google Ads refused the sign-in of source '{self._source}' ({code}); make a new "
            "refresh_token or a new key."
        )
        return Passing(refusal) if self._token.forget() else refusal

    def _status(self, failure: Any) -> SourceError | Passing:
        """What the status alone says."""
        status = getattr(failure.grpc_status_code, "name", "UNKNOWN")
        if status == "UNAUTHENTICATED":
            return self._stale(status)
        if status == "PERMISSION_DENIED":
            return SourceRefused(
                f"Google Ads does not let source '{self._source}' in; enable the Google Ads API in "
                "the Google Cloud project, and check the developer token."
            )
        if status == "RESOURCE_EXHAUSTED":
            return throttled("Google Ads", BURST_SECONDS)
        if status in ("UNIMPLEMENTED", "NOT_FOUND"):
            return self._too_old()
        if status in ("DEADLINE_EXCEEDED", "UNAVAILABLE"):
            return no_answer("Google Ads", TimeoutError(f"status {status}"))
        return broken(f"status {status}")

    def _too_old(self) -> SourceError:
        return SourceChanged(
            f"Google Ads no longer answers version {self._version} of its API; get a newer "
            "caretrace, or give a later api_version that the installed library has."
        )


def broken(what: str) -> Passing:
    """An answer that is no answer."""
    words = f"Google Ads' answer was broken ({what}). Refresh again later."
    return Passing(SourceUnreachable(words))


def _quota(code: str, details: Any) -> SourceError | Passing:
    """Bursts are waited out; the day's operations come back when Google says."""
    after = details.retry_delay.total_seconds() if details and details.retry_delay else None
    if after:
        return throttled("Google Ads", after, details.rate_name or "its quota")
    if code in BURSTS:
        return throttled("Google Ads", BURST_SECONDS)
    if code == "ACCESS_PROHIBITED":
        return SourceRefused(
            "Google Ads has shut out this developer token; see the API Center of the manager "
            "account that owns it."
        )
    return SourceBusy(
        "Google Ads' operations for today are used up (15,000 a day with basic access); refresh "
        "again tomorrow, or ask for standard access."
    )


def shown(customer: str) -> str:
    """A customer id as Google shows it."""
    return f"{customer[:3]}-{customer[3:6]}-{customer[6:]}"
