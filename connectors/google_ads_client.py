"""The Google Ads API as one source may use it: GAQL questions over gRPC, asked patiently.

The generated client of one API version is used directly, on a channel of our own: the library's
outer client offers neither a certificate file nor a deadline for each call. The access token is
brought and sent with each call by ourselves, because a token that fails inside gRPC looks like a
server that is down.
"""

import os
import threading
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from connectors.errors import SourceMisconfigured
from connectors.google import service_account
from connectors.google_ads_failures import Failures
from connectors.patience import Patience, patiently

T = TypeVar("T")

# One version is loaded: all four that the library holds take 180 MB on disk.
API_VERSION = "v26"
ADDRESS = "https://googleads.googleapis.com"
TOKEN_ADDRESS = "https://oauth2.googleapis.com/token"  # noqa: S105
SCOPE = "https://www.googleapis.com/auth/adwords"
MOST_BYTES = 64 * 1024 * 1024  # of one batch


class Login:
    """Brings an access token, and a fresh one when the last is over or was refused."""

    def __init__(self, credentials: Any, seconds: float) -> None:
        from google.auth.transport.requests import Request

        self._credentials = credentials
        self._request = partial(Request(), timeout=seconds)
        self._proved = False  # whether Google has accepted the token at hand
        self._lock = threading.Lock()

    def token(self) -> str:
        """A token that is not over yet."""
        with self._lock:
            if not self._credentials.valid:
                self._credentials.refresh(self._request)
                self._proved = False
            return str(self._credentials.token)

    def accepted(self) -> None:
        """Note that Google took the token."""
        self._proved = True

    def forget(self) -> bool:
        """Drop a token that was refused; whether it had been accepted before."""
        with self._lock:
            proved, self._proved = self._proved, False
            self._credentials.token = None
            return proved


class Api:
    """What one source may ask of Google Ads."""

    def __init__(self, source: str, chosen: Mapping[str, Any], patience: Patience) -> None:
        # gRPC would tell the terminal of every connection that a server closes in its good time.
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
        import grpc

        self._patience = patience
        self._login = Login(_credentials(source, chosen), patience.socket_seconds)
        version = str(chosen["api_version"])
        service, errors = _version(source, version)
        channel = grpc.secure_channel(
            _target(source, chosen["endpoint"] or ADDRESS),
            grpc.ssl_channel_credentials(_certificates(source, chosen["ca_file"])),
            options=(("grpc.max_receive_message_length", MOST_BYTES),),
        )
        # A source is not closed by those who read it: its channel ends with it.
        weakref.finalize(self, channel.close)
        transport = service.transports.GoogleAdsServiceGrpcTransport(channel=channel)
        self._client = service.GoogleAdsServiceClient(transport=transport)
        self._headers = [("developer-token", str(chosen["developer_token"]))]
        if chosen["login_customer_id"]:
            manager = customer_number(source, "login_customer_id", chosen["login_customer_id"])
            self._headers.append(("login-customer-id", manager))
        secrets = [chosen[name] for name in ("developer_token", "client_secret", "refresh_token")]
        self._failures = Failures(source, version, errors, self._login, secrets)

    def ask(self, customer: str, query: str, read: Callable[[Any], T]) -> list[T]:
        """`read` of every row that answers a question; all of them, or an error."""

        def once() -> list[T]:
            stream = self._client.search_stream(
                request={"customer_id": customer, "query": query},
                metadata=[*self._headers, ("authorization", f"Bearer {self._login.token()}")],
                timeout=self._patience.call_seconds,
                retry=None,
            )
            # The plain messages beneath: the library's wrappers cost ten times as much.
            rows = [read(row) for batch in stream for row in type(batch).pb(batch).results]
            self._login.accepted()
            return rows

        return patiently(once, partial(self._failures.explain, customer), self._patience)


def customer_number(source: str, option: str, given: object) -> str:
    """A customer id as the API wants it: ten digits without dashes."""
    number = str(given).replace("-", "").strip()
    if not (number.isascii() and number.isdigit() and len(number) == 10):
        raise SourceMisconfigured(
            f"The {option} of source '{source}' is not the ten digits that Google Ads shows at the "
            "top of the account (123-456-7890)."
        )
    return number


def _credentials(source: str, chosen: Mapping[str, Any]) -> Any:
    """A person's consent (refresh token) or a service account's key, whichever is given."""
    if not chosen["refresh_token"]:
        return service_account(source, chosen, SCOPE)
    missing = [name for name in ("client_id", "client_secret") if not chosen[name]]
    if missing:
        raise SourceMisconfigured(
            f"Source '{source}' has a refresh_token but no {' and no '.join(missing)}; give those "
            "of the OAuth client that the token was made with."
        )
    from google.oauth2.credentials import Credentials

    make: Any = Credentials
    return make(
        token=None,
        refresh_token=chosen["refresh_token"],
        client_id=chosen["client_id"],
        client_secret=chosen["client_secret"],
        token_uri=chosen["token_endpoint"] or TOKEN_ADDRESS,
        scopes=[SCOPE],
    )


def _version(source: str, version: str) -> tuple[Any, Any]:
    """The generated client and the errors of one API version."""
    package = f"google.ads.googleads.{version}"
    try:
        service = import_module(f"{package}.services.services.google_ads_service")
        return service, import_module(f"{package}.errors.types.errors")
    except ImportError:
        pass
    try:
        import_module("google.ads.googleads")
    except ImportError:
        raise SourceMisconfigured(
            f"Source '{source}' needs Google's library: pip install 'caretrace[google-ads]'."
        ) from None
    raise SourceMisconfigured(
        f"The api_version of source '{source}' is not one that the installed library has; leave it "
        f"out for {API_VERSION}, or update the library google-ads."
    )


def _target(source: str, address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme != "https":
        raise SourceMisconfigured(
            f"The endpoint of source '{source}' must begin with https://: Google Ads sends tokens "
            "over TLS only. For a server of your own give its certificate as ca_file."
        )
    return f"{parts.hostname}:{parts.port or 443}"


def _certificates(source: str, file: str | None) -> bytes | None:
    """The authorities to trust; None for those that gRPC brings."""
    if not file:
        return None
    try:
        return Path(file).read_bytes()
    except OSError:
        raise SourceMisconfigured(
            f"The ca_file of source '{source}' cannot be read; check the path and its permissions."
        ) from None
