"""A vendor's web API, asked patiently: for sources without a client library worth having.

One `httpx` client a source. Every call has a time-out and ends in an `Answer` or in one of the
errors of `connectors.errors`; what went wrong is told without an address, a token or a row.
Redirects are not followed, and no address outside the API's own is asked: each carries the token.
"""

import json
import ssl
import tempfile
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

import httpx

from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceError,
    SourceRefused,
    SourceUnreachable,
)
from connectors.options import is_safe, redacted
from connectors.patience import Passing, Patience, no_answer, patiently, retry_after, throttled


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said: a whole body with a status that was expected."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        """The body as JSON; a ValueError where it is cut short or no JSON at all."""
        return json.loads(self.body)

    def object(self) -> dict[str, Any]:
        """The body as a JSON object; a ValueError where it is none."""
        said = self.json()
        if not isinstance(said, dict):
            raise ValueError
        return said


T = TypeVar("T")
DOWNLOAD_SECONDS = 3600.0  # one file, which may be large

# Reads a failure the vendor's own way; None leaves it to the general rule.
Reading = Callable[[Answer], SourceError | Passing | None]


@cache
def authorities() -> ssl.SSLContext:
    """The authorities that vendors are trusted by; reading them takes longer than many a call."""
    return httpx.create_ssl_context(trust_env=False)


class Rest:
    """One API of one vendor, as one source is allowed to use it.

    `grant` is the sentence that says what to do when the API refuses us; `auth` is called before
    each request, so that it can bring a fresh token. `reading` comes first for every status that
    was not expected, so that a vendor's own signs of throttling or expiry are known.
    `stops_when_busy` is for sources of many slices: once the API has stayed busy for longer than
    we wait, the others are not asked for, or each would wait as long again.
    """

    def __init__(
        self,
        source: str,
        vendor: str,
        address: str,
        *,
        patience: Patience,
        grant: str,
        auth: Callable[[], Mapping[str, str]] = dict,
        secrets: Iterable[object] = (),
        reading: Reading = lambda _answer: None,
        stops_when_busy: bool = False,
    ) -> None:
        self.source = source
        self.vendor = vendor
        self.address = address.rstrip("/")
        self._patience = patience
        self._grant = grant
        self._auth = auth
        self._secrets = tuple(secrets)
        self._reading = reading
        self._stops_when_busy = stops_when_busy
        self._busy: str | None = None
        self._client = httpx.Client(
            timeout=patience.socket_seconds,
            follow_redirects=False,
            trust_env=False,  # neither a proxy nor a .netrc decides where patients' data goes
            verify=authorities(),
        )
        # A source is not closed by those who read it: its connections end with it.
        weakref.finalize(self, self._client.close)

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object at a path."""
        return self.ask("GET", path, params=params, read=Answer.object)

    def post(self, path: str, body: Any, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object that a JSON body is answered with."""
        return self.ask("POST", path, params=params, body=body, read=Answer.object)

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        form: Mapping[str, str] | Callable[[], Mapping[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        expected: Iterable[int] = (200,),
        read: Callable[[Answer], T],
    ) -> T:
        """`read` of the answer; `path` may also be a whole address below this API's own.

        A `form` that is a function is made anew for each try, as signed ones must be.
        `read` raises a ValueError where the answer is not whole: then it is asked for again.
        """
        address = self._below(path)
        known = frozenset(expected)

        def once() -> T:
            response = self._client.request(
                method,
                address,
                params=params,
                json=body,
                data=form() if callable(form) else form,
                headers={"accept": "application/json", **self._auth(), **(headers or {})},
            )
            heads = {name.lower(): value for name, value in response.headers.items()}
            answer = Answer(response.status_code, heads, response.content)
            if answer.status not in known:
                raise self._refusal(answer)
            return read(answer)

        if self._busy is not None:
            raise SourceBusy(self._busy)
        try:
            return patiently(once, self._explain, self._patience)
        except SourceBusy as busy:
            self._busy = str(busy) if self._stops_when_busy else None
            raise

    def download(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        whole: Callable[[BinaryIO], None],
        public: bool = False,
    ) -> BinaryIO:
        """The body at a path, in a file without a name that ends with whoever holds it.

        `whole` raises a ValueError where something is missing: then it is asked for again. A
        `public` file may lie at any safe address, and is asked for without the token.
        """
        if public and path.startswith(("http://", "https://")):
            address = self._safe(path)
        else:
            address = self._below(path)

        def once() -> BinaryIO:
            own = {**({} if public else self._auth()), **(headers or {})}
            with self._client.stream("GET", address, headers=own) as response:
                if response.status_code != 200:
                    heads = {name.lower(): value for name, value in response.headers.items()}
                    raise self._refusal(Answer(response.status_code, heads, response.read()))
                # Each try has its own: a try that is late may still be writing.
                file = tempfile.TemporaryFile()  # noqa: SIM115
                try:
                    for chunk in response.iter_bytes():
                        file.write(chunk)
                    file.seek(0)
                    whole(file)
                    file.seek(0)
                except BaseException:
                    file.close()
                    raise
            return file

        seconds = max(DOWNLOAD_SECONDS, self._patience.call_seconds)
        return patiently(once, self._explain, replace(self._patience, call_seconds=seconds))

    def _safe(self, address: str) -> str:
        if not is_safe(address):
            raise SourceChanged(
                f"{self.vendor} offers source '{self.source}' a file over an open line; "
                "nothing was asked for. Its addresses must begin with https://."
            )
        return address

    def _below(self, path: str) -> str:
        if not path.startswith(("http://", "https://")):
            return f"{self.address}/{path.lstrip('/')}"
        ours, theirs = urlsplit(self.address), urlsplit(path)
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
            raise SourceChanged(
                f"{self.vendor} sent source '{self.source}' on to another address, which would "
                "get its token; set the endpoint in caretrace.toml if it has moved."
            )
        return path

    def _refusal(self, answer: Answer) -> SourceError | Passing:
        """What a status means that was not expected."""
        status = answer.status
        if read := self._reading(answer):
            return read
        if status == 429:
            return throttled(self.vendor, retry_after(answer.headers))
        if status in (401, 403):
            return SourceRefused(
                f"{self.vendor} refused source '{self.source}' (status {status}); {self._grant}"
            )
        if status >= 500 or 300 <= status < 400:
            return self._broken(f"status {status}", retry_after(answer.headers))
        return SourceChanged(
            f"{self.vendor} did not understand our request for source '{self.source}' (status "
            f"{status}): {self._words(answer)}"
        )

    def _words(self, answer: Answer) -> str:
        """The vendor's own words where it has some; never a page of HTML."""
        try:
            said = json.loads(answer.body)
        except ValueError:
            return "no reason given"
        return redacted(_message(said) or "no reason given", self._secrets)

    def _explain(self, failure: Exception) -> SourceError | Passing:
        if isinstance(failure, TimeoutError | httpx.TransportError):
            return no_answer(self.vendor, failure)
        # A JSONDecodeError is a ValueError: the body was cut short, or a proxy's page.
        what = "it is not whole" if isinstance(failure, ValueError) else type(failure).__name__
        return self._broken(what)

    def _broken(self, what: str, after: float | None = None) -> Passing:
        words = f"{self.vendor}'s answer was broken: {what}. Refresh again later."
        return Passing(SourceUnreachable(words), after)


def _message(said: Any) -> str:
    """The first text under a name that vendors use for reasons, however deep it lies."""
    if isinstance(said, dict):
        for name in ("message", "error_description", "detail", "details", "error", "diagnostics"):
            if isinstance(said.get(name), str):
                return str(said[name])
        said = list(said.values())
    if isinstance(said, list):
        for part in said:
            if isinstance(part, dict | list) and (found := _message(part)):
                return found
    return ""
