"""A loopback Google Ads API: SearchStream over gRPC and TLS, and Google's token endpoint.

    with GoogleAdsServer(Customer("1234567890", rows)) as server:      # rows: AdSpend
        options = {"customer_ids": ["123-456-7890"], **server.options}

It reads the GAQL it is asked: the fields, the resource and the days; `server.questions` has all.
As the real one it knows no ad groups of Performance Max, leaves out rows whose metrics are all
zero, and puts errors into the trailing metadata. `server.fail_query(fault, on="FROM campaign")`
scripts what the next questions get.
"""

import json
import re
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

import grpc
from google.auth import jwt
from google.protobuf.duration_pb2 import Duration
from servers.authority import localhost
from servers.ga4 import _pem
from servers.google_ads_answers import (
    VERSION,
    Customer,
    claim,
    click,
    module,
    sample,
    selected,
    spend,
)
from servers.loopback import Loopback, Reply, Request, as_json

from connectors.contract import AdSpend

__all__ = [
    "Customer", "Fault", "GoogleAdsServer", "claim", "click", "error", "quota", "sample", "spend",
]  # fmt: skip

AUDIENCE = "https://oauth2.googleapis.com/token"  # whatever the key's token_uri is
DEVELOPER_TOKEN = "loopback-developer-token"
REFRESH_TOKEN = "loopback-refresh-token"
CLIENT_SECRET = "loopback-client-secret"
FIELDS = {
    "customer": "id descriptive_name currency_code time_zone manager",
    "campaign": "id name advertising_channel_type",
    "ad_group": "id name",
    "segments": "date conversion_action conversion_action_name conversion_attribution_event_type "
    "conversion_lag_bucket",
    "metrics": "cost_micros impressions clicks conversions conversions_value "
    "view_through_conversions",
    "click_view": "gclid",
    "conversion_action": "resource_name click_through_lookback_window_days "
    "view_through_lookback_window_days",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What a question gets instead of an answer, after so many batches of it."""

    status: str = "UNAVAILABLE"
    kind: str = ""  # quota_error, authorization_error ...; none: no details in the trailers
    code: str = ""
    words: str = "An error."
    retry_seconds: int = 0
    batches: int = 0
    hangs: bool = False


def error(
    kind: str, code: str, words: str = "An error.", status: str = "INVALID_ARGUMENT"
) -> Fault:
    """An error as the API describes it."""
    return Fault(status, kind, code, words)


def quota(code: str = "RESOURCE_EXHAUSTED", retry_seconds: int = 0) -> Fault:
    """A quota that is used up, for so long."""
    return Fault("RESOURCE_EXHAUSTED", "quota_error", code, "Too many.", retry_seconds)


EXPIRED = error("authentication_error", "OAUTH_TOKEN_EXPIRED", "Expired.", "UNAUTHENTICATED")


class GoogleAdsServer(Loopback):
    """Some customers, below one manager account if `login_customer_id` is set."""

    def __init__(self, *customers: Customer, login_customer_id: str = "") -> None:
        super().__init__()
        self.customers = {customer.number: customer for customer in customers}
        self.login_customer_id = login_customer_id
        self.questions: list[tuple[str, str]] = []
        self.metadata: list[dict[str, str]] = []
        self.batch_rows = 3
        self.today: date | None = None  # where told: single clicks are known for 90 days
        self.valid_tokens: set[str] = set()
        self.refresh_token = REFRESH_TOKEN
        self.tokens_made = 0
        self._faults: list[tuple[str, Fault | None]] = []
        self._grpc = grpc.server(ThreadPoolExecutor(4))
        self._grpc.add_generic_rpc_handlers((_Handler(self),))
        private, certificate = localhost()
        credentials = grpc.ssl_server_credentials([(private, certificate)])
        port = self._grpc.add_secure_port("localhost:0", credentials)
        self.token_url = f"{self.url}/token"
        self.url = f"https://localhost:{port}"
        self._folder = tempfile.TemporaryDirectory()
        self.ca_file = str(Path(self._folder.name) / "ca.pem")
        Path(self.ca_file).write_bytes(certificate)

    def __enter__(self) -> Self:
        self._grpc.start()
        return super().__enter__()

    def __exit__(self, *why: object) -> None:
        super().__exit__(*why)
        self._grpc.stop(0).wait()
        self._folder.cleanup()

    @property
    def options(self) -> dict[str, Any]:
        """What a source is told to reach this server with a user's consent."""
        return {
            "endpoint": self.url,
            "token_endpoint": self.token_url,
            "ca_file": self.ca_file,
            "developer_token": DEVELOPER_TOKEN,
            "client_id": "loopback-client",
            "client_secret": CLIENT_SECRET,
            "refresh_token": REFRESH_TOKEN,
        }

    @property
    def key(self) -> str:
        """A service account's JSON key."""
        return json.dumps(
            {
                "type": "service_account",
                "private_key_id": "1",
                "private_key": _pem(),
                "client_email": "caretrace@loopback.iam.gserviceaccount.com",
                "token_uri": self.token_url,
            }
        )

    def fail_query(self, *faults: Fault | None, on: str = "") -> None:
        """Script what the next questions that contain `on` get; None lets one pass."""
        self._faults.extend((on, fault) for fault in faults)

    def restate(self, number: str, *rows: AdSpend) -> None:
        """Say something else from now on about the keys of these rows."""
        keys = {_key(row) for row in rows}
        customer = self.customers[number]
        customer.rows = [row for row in customer.rows if _key(row) not in keys] + list(rows)

    def answer(self, request: Request) -> Reply:
        """The token endpoint."""
        asked = request.form()
        if asked["grant_type"].endswith("jwt-bearer"):
            claims = jwt.decode(asked["assertion"], certs=_public(), audience=AUDIENCE)
            granted = claims["scope"] == "https://www.googleapis.com/auth/adwords"
        else:
            granted = (asked["refresh_token"], asked["client_secret"]) == (
                self.refresh_token,
                CLIENT_SECRET,
            )
        if not granted:
            words = f"Token {asked.get('refresh_token')} has been expired or revoked."
            return as_json({"error": "invalid_grant", "error_description": words}, 400)
        self.tokens_made += 1
        token = f"loopback-access-{self.tokens_made}"
        self.valid_tokens.add(token)
        return as_json({"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def search(self, asked: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """SearchStream."""
        headers = {str(key): str(value) for key, value in context.invocation_metadata()}
        with self._lock:
            self.questions.append((asked.customer_id, asked.query))
            self.metadata.append(headers)
            fault = self._scripted(asked.query)
        refused = self._refusal(asked, headers)
        if refused:
            _abort(context, refused)
        rows = self._rows(self.customers[asked.customer_id], asked.query, context)
        service = module("services.types.google_ads_service")
        sizes = range(0, len(rows), self.batch_rows)
        batches = [rows[start : start + self.batch_rows] for start in sizes]
        # Batches may be empty, in the middle and where there is nothing at all.
        for number, batch in enumerate([*batches[:1], [], *batches[1:]]):
            if fault and number >= fault.batches:
                self._break(context, fault)
            yield service.SearchGoogleAdsStreamResponse(results=batch, request_id="r")
        if fault:
            self._break(context, fault)

    def _break(self, context: grpc.ServicerContext, fault: Fault) -> None:
        if fault.hangs:
            ended = threading.Event()
            context.add_callback(ended.set)
            ended.wait()
        _abort(context, fault)

    def _scripted(self, query: str) -> Fault | None:
        for place, (on, fault) in enumerate(self._faults):
            if on in query:
                del self._faults[place]
                return fault
        return None

    def _refusal(self, asked: Any, headers: dict[str, str]) -> Fault | None:
        """What is wrong with who asks."""
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.valid_tokens:
            return EXPIRED
        if headers.get("developer-token") != DEVELOPER_TOKEN:
            return error(
                "authentication_error", "DEVELOPER_TOKEN_INVALID", status="UNAUTHENTICATED"
            )
        if headers.get("login-customer-id", "") != self.login_customer_id:
            return error(
                "authorization_error", "USER_PERMISSION_DENIED", status="PERMISSION_DENIED"
            )
        if asked.customer_id not in self.customers:
            return error(
                "authorization_error", "USER_PERMISSION_DENIED", status="PERMISSION_DENIED"
            )
        return None

    def _rows(self, customer: Customer, query: str, context: grpc.ServicerContext) -> list[Any]:
        parts = re.fullmatch(r"SELECT (.+?) FROM (\w+)(?: WHERE (.+?))?(?: LIMIT \d+)?", query)
        assert parts, query
        fields = parts[1].split(", ")
        for name in fields:
            resource, _, leaf = name.partition(".")
            if leaf not in FIELDS.get(resource, "").split():
                _abort(context, error("query_error", "UNRECOGNIZED_FIELD", f"Unknown {name}."))
        if customer.manager and "metrics." in query:
            _abort(context, error("query_error", "REQUESTED_METRICS_FOR_MANAGER"))
        since, until = date.min, date.max
        if parts[2] == "click_view":
            on = re.fullmatch(r"segments\.date = '(\S+)'", parts[3] or "")
            if not on:
                _abort(context, error("query_error", "EXPECTED_FILTERS_ON_DATE_RANGE"))
            since = until = date.fromisoformat(on[1])
            if self.today and since < self.today - timedelta(days=90):
                _abort(context, error("query_error", "DATE_RANGE_TOO_WIDE"))
        elif parts[3]:
            days = re.fullmatch(r"segments\.date BETWEEN '(\S+)' AND '(\S+)'", parts[3])
            assert days, query
            since, until = date.fromisoformat(days[1]), date.fromisoformat(days[2])
        return list(selected(customer, fields, parts[2], since, until))


def _abort(context: grpc.ServicerContext, fault: Fault) -> None:
    """End the call as the API does."""
    trailers: list[tuple[str, Any]] = [("request-id", "r")]
    if fault.kind:
        errors = module("errors.types.errors")
        said = errors.GoogleAdsError(message=fault.words)
        setattr(said.error_code, fault.kind, fault.code)
        if fault.retry_seconds:
            details = said.details.quota_error_details
            details.rate_name = "Requests per service per method"
            details.retry_delay = Duration(seconds=fault.retry_seconds)
        failure = errors.GoogleAdsFailure(errors=[said])
        name = f"google.ads.googleads.{VERSION}.errors.googleadsfailure-bin"
        trailers.append((name, errors.GoogleAdsFailure.serialize(failure)))
    context.set_trailing_metadata(tuple(trailers))
    context.abort(grpc.StatusCode[fault.status], fault.words)


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, server: GoogleAdsServer) -> None:
        self._server = server

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if details.method != (
            f"/google.ads.googleads.{VERSION}.services.GoogleAdsService/SearchStream"
        ):
            return None
        types = module("services.types.google_ads_service")
        return grpc.unary_stream_rpc_method_handler(
            self._server.search,
            request_deserializer=types.SearchGoogleAdsStreamRequest.deserialize,
            response_serializer=types.SearchGoogleAdsStreamResponse.serialize,
        )


def _public() -> bytes:
    from cryptography.hazmat.primitives import serialization

    private = serialization.load_pem_private_key(_pem().encode(), None)
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _key(row: AdSpend) -> tuple[date, str, str]:
    return row.day, row.campaign_id, row.ad_group_id
