"""The Microsoft Advertising API as one source may use it, over REST and asked patiently.

The generated REST clients of the library `msads` are used directly: its outer `ServiceClient`
changes the base class of every pydantic model of the process, and brings no time-out.
"""

import json
import warnings
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from connectors.errors import SourceChanged, SourceMisconfigured, SourceUnreachable
from connectors.microsoft_ads_failures import Failures, broken
from connectors.microsoft_ads_reports import Kind, Report, parsed, request, unpacked
from connectors.microsoft_login import Login
from connectors.patience import Passing, Patience, patiently
from connectors.rest import authorities
from connectors.source import Window

T = TypeVar("T")

# Only on this machine may a report come in the clear.
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
REPORTING = "https://reporting.api.bingads.microsoft.com"
CUSTOMERS = "https://clientcenter.api.bingads.microsoft.com"


class Api:
    """What one source may ask of Microsoft Advertising."""

    def __init__(self, source: str, chosen: Mapping[str, Any], patience: Patience) -> None:
        self._library = _library(source)
        self._patience = patience
        self._reporting = self._library.reporting.ReportingServiceApi(
            _client(chosen["endpoint"] or REPORTING)
        )
        self._customers = self._library.customers.CustomerManagementServiceApi(
            _client(chosen["endpoint"] or CUSTOMERS)
        )
        self._login = Login(source, chosen, patience)
        self._fixed = {
            "DeveloperToken": str(chosen["developer_token"]),
            "CustomerId": str(chosen["customer_id"]),
        }
        names = ("developer_token", "client_secret", "refresh_token")
        self._failures = Failures(source, self._login, [chosen[name] for name in names])
        # A report lies at an address of its own that needs no token, so none goes there.
        self._plain = httpx.Client(
            timeout=patience.socket_seconds,
            follow_redirects=False,
            trust_env=False,
            verify=authorities(),
        )
        weakref.finalize(self, self._plain.close)

    def account(self, account: str) -> Mapping[str, Any]:
        """An account as Microsoft describes it."""
        asked = self._library.customer_models.GetAccountRequest(AccountId=account)
        # Read as it comes: the library refuses an account for any value that it does not know.
        raw = self._customers.get_account_without_preload_content
        found = self._ask(account, lambda *a, **more: _object(raw(*a, **more)), asked)
        return dict(found.get("Account") or {})

    def order(self, account: str, kind: Kind, window: Window) -> str:
        """Ask for a report; its number."""
        asked = request(self._library.reporting_models, kind, account, window)
        answer = self._ask(account, self._reporting.submit_generate_report, asked)
        if not answer.report_request_id:
            raise SourceChanged(
                "Microsoft Advertising took a report but gave no number for it; update caretrace."
            )
        return str(answer.report_request_id)

    def status(self, account: str, job: str) -> str:
        """How a report is getting on: Pending, Success or Error."""
        return self._patiently(account, lambda: self._look(account, job)[0])

    def report(self, account: str, job: str, kind: Kind) -> Report:
        """A report that is made, whole.

        Its address is good for five minutes, so each try asks for it anew.
        """

        def once() -> Report:
            _, address = self._look(account, job)
            # No address means that there is nothing to report.
            return Report([]) if address is None else parsed(self._file(address), kind)

        return self._patiently(account, once)

    def _look(self, account: str, job: str) -> tuple[str, str | None]:
        asked = self._library.reporting_models.PollGenerateReportRequest(ReportRequestId=job)
        answer = self._once(account, self._reporting.poll_generate_report, asked)
        said = answer.report_request_status
        if said is None or said.status is None:
            raise broken("no status of the report")
        return str(said.status.value), said.report_download_url

    def _file(self, address: str) -> str:
        parts = urlsplit(address)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise SourceChanged("Microsoft Advertising put a report at an address without TLS.")
        answer = self._plain.get(address)
        if answer.status_code != 200:
            raise Passing(
                SourceUnreachable(
                    "Microsoft Advertising's report could not be fetched (status "
                    f"{answer.status_code}); refresh again later."
                )
            )
        return unpacked(answer.content)

    def _ask(self, account: str, call: Callable[..., Any], asked: Any) -> Any:
        return self._patiently(account, partial(self._once, account, call, asked))

    def _once(self, account: str, call: Callable[..., Any], asked: Any) -> Any:
        headers = {
            **self._fixed,
            "CustomerAccountId": account,
            "Authorization": f"Bearer {self._login.token()}",
        }
        seconds = float(self._patience.socket_seconds)
        answer = call(asked, _request_timeout=(seconds, seconds), _headers=headers)
        self._login.accepted()
        return answer

    def _patiently(self, account: str, call: Callable[[], T]) -> T:
        return patiently(call, partial(self._failures.explain, account), self._patience)


@dataclass(frozen=True, slots=True)
class Library:
    """What is used of `msads`: two services, and the classes of their questions."""

    reporting: Any
    customers: Any
    reporting_models: Any
    customer_models: Any


def _library(source: str) -> Library:
    parts = ("api.reporting_service_api", "api.customer_management_service_api")
    models = ("models.reporting", "models.customer")
    try:
        with warnings.catch_warnings():
            # Its generated classes are of an older pydantic; that is for the library to mend.
            warnings.simplefilter("ignore", DeprecationWarning)
            return Library(*(import_module(f"openapi_client.{name}") for name in (*parts, *models)))
    except ImportError:
        raise SourceMisconfigured(
            f"Source '{source}' needs Microsoft's library: pip install 'caretrace[microsoft]'."
        ) from None


def _object(answer: Any) -> dict[str, Any]:
    """The JSON object of an answer that the library did not look at."""
    from openapi_client.exceptions import ApiException

    text = answer.data.decode("utf-8", "replace")
    if answer.status != 200:
        failure = ApiException(status=answer.status, body=text)
        failure.headers = answer.headers
        raise failure
    said = json.loads(text)
    if not isinstance(said, dict):
        raise ValueError
    return said


def _client(address: str) -> Any:
    from openapi_client.api_client import ApiClient
    from openapi_client.configuration import Configuration

    # Without its own repeats, which would also follow a redirect with the token.
    return ApiClient(Configuration(host=address, retries=False))
