"""Salesforce's session: logging in, and asking with a time-out on every call.

The library sets no time-out, renews a session in some of its calls only, and addresses each host
by https. So every call goes over a line of ours, and a session that ended is renewed here, once a
question, whatever the call.
"""

import warnings
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from connectors.errors import SourceMisconfigured
from connectors.patience import Patience, patiently, retry_after
from connectors.salesforce_failures import Failures

T = TypeVar("T")


class Line:
    """The way to Salesforce, or to `endpoint` in its place; mounted into a `requests` session."""

    def __init__(self, endpoint: str | None, seconds: float) -> None:
        from requests.adapters import HTTPAdapter

        self._adapter = HTTPAdapter()
        self._endpoint = urlsplit(endpoint) if endpoint else None
        self._seconds = seconds
        self.after: float | None = None  # what the last answer asked for

    def send(self, request: Any, **how: Any) -> Any:
        """One request and its answer."""
        how["timeout"] = self._seconds
        if self._endpoint:
            asked, ours = urlsplit(request.url), self._endpoint
            path = f"{ours.path}{asked.path}"
            request.url = urlunsplit((ours.scheme, ours.netloc, path, asked.query, ""))
            how["proxies"] = {}
        answer = self._adapter.send(request, **how)
        self.after = retry_after(answer.headers)
        return answer

    def close(self) -> None:
        """End the connections."""
        self._adapter.close()


class Session:
    """A log-in that is renewed when it ends."""

    def __init__(self, source: str, options: Mapping[str, Any], patience: Patience) -> None:
        import requests

        self._login = _credentials(source, options)
        self._version = str(options["api_version"])
        self._patience = patience
        self._line = Line(options["endpoint"], patience.socket_seconds)
        self.failures = Failures(source, lambda: self._line.after)
        self._http = requests.Session()
        self._http.mount("https://", self._line)  # type: ignore[arg-type,unused-ignore]
        # A redirect would carry the token to wherever it leads.
        self._http.max_redirects = 0
        self._client: Any = None

    def ask(self, call: Callable[[Any], T]) -> T:
        """What `call` gets out of the library's client, logged in."""
        from simple_salesforce.exceptions import SalesforceExpiredSession

        def once() -> T:
            try:
                return call(self._client or self._log_in())
            except SalesforceExpiredSession:
                self._client = None
            return call(self._log_in())

        return patiently(once, self.failures.explain, self._patience)

    def wait(self, seconds: float) -> None:
        """Let a job run at the source."""
        self._patience.sleep(seconds)

    def _log_in(self) -> Any:
        from simple_salesforce.api import Salesforce
        from simple_salesforce.login import SalesforceLogin

        with warnings.catch_warnings():
            # The library warns with an address that holds the consumer key.
            warnings.simplefilter("ignore")
            token, host = SalesforceLogin(session=self._http, **self._login)
        self._client = Salesforce(
            session_id=token,
            instance_url=f"https://{host}",
            session=self._http,
            version=self._version,
            parse_float=Decimal,
            object_pairs_hook=dict,
        )
        return self._client


def _credentials(source: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the library's log-in is given; never a password."""
    domain = str(options["domain"]).strip().removeprefix("https://").rstrip("/")
    domain = domain.removesuffix(".salesforce.com")
    given = {"consumer_key": str(options["consumer_key"]), "domain": domain}
    if options["consumer_secret"]:
        if domain in ("login", "test"):
            raise SourceMisconfigured(
                f"Source '{source}' logs in with client credentials, which only your own domain "
                "takes: set domain to the part of its address before .salesforce.com."
            )
        return given | {"consumer_secret": str(options["consumer_secret"])}
    key = _private_key(source, options)
    if key is None or not options["username"]:
        raise SourceMisconfigured(
            f"Source '{source}' has no way to log in; set username and private_key_file (or the "
            "secret private_key), or the secret consumer_secret for client credentials."
        )
    # The assertion is for Salesforce itself; where it is posted may be one's own domain.
    audience = "test" if domain == "test" or ".sandbox" in domain else "login"
    return given | {
        "username": str(options["username"]),
        "privatekey": key,
        "domain": audience,
        "instance_url": domain,
    }


def _private_key(source: str, options: Mapping[str, Any]) -> Any:
    """The key, read once; the library passes it on to PyJWT, which takes it as it is."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    text = str(options["private_key"] or "")
    problem = "is no RSA key in PEM form"
    try:
        if options["private_key_file"]:
            text = Path(options["private_key_file"]).read_text(encoding="utf-8")
        if not text:
            return None
        key = load_pem_private_key(text.encode(), None)
        if isinstance(key, RSAPrivateKey):
            return key
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    except (ValueError, TypeError, UnsupportedAlgorithm):
        pass  # no key, or one behind a password
    raise SourceMisconfigured(
        f"The private key of source '{source}' {problem}; give the key whose certificate the "
        "connected app holds, without a password."
    )
