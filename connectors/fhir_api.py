"""A FHIR server asked patiently: a refusal names what was asked for, and no answer is quoted."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, TypeVar

from connectors.errors import SourceChanged, SourceError, SourceRefused
from connectors.fhir_auth import Smart
from connectors.patience import Passing, Patience
from connectors.rest import Answer, Rest

VENDOR = "The FHIR server"
_ACCEPT = {"accept": "application/fhir+json"}
T = TypeVar("T")


class Api:
    """One FHIR server, as one source may use it."""

    def __init__(
        self,
        source: str,
        address: str,
        patience: Patience,
        *,
        smart: Smart | None = None,
        token: str | None = None,
    ) -> None:
        self.source, self.patience, self.smart = source, patience, smart
        self._asked = ""
        bearer = {"authorization": f"Bearer {token}"} if token else {}
        self._rest = Rest(
            source,
            VENDOR,
            address,
            patience=patience,
            grant="give it a token that is valid.",
            auth=smart.header if smart else lambda: bearer,
            secrets=(token,),
            reading=self._reading,
        )

    def ask(
        self,
        what: str,
        path: str,
        *,
        method: str = "GET",
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        expected: Iterable[int] = (200,),
        read: Callable[[Answer], T],
    ) -> T:
        """`read` of the answer; `what` is the type of resource, or what else is asked for."""
        self._asked = what
        heads = _ACCEPT | dict(headers or {})
        return self._rest.ask(
            method, path, params=params, headers=heads, expected=expected, read=read
        )

    def get(self, what: str, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The JSON object at a path; its amounts stay exact."""
        return self.ask(what, path, params=params, read=exact)

    def pages(
        self, kind: str, path: str, params: Mapping[str, Any] | None
    ) -> Iterator[dict[str, Any]]:
        """Every page of a search, following the server's own links as they are."""
        followed = set()
        page = self.get(kind, path, params)
        while True:
            if page.get("resourceType") != "Bundle":
                raise SourceChanged(f"{VENDOR} answered a search for {kind} with no bundle.")
            yield page
            link = _next(page)
            if link is None:
                return
            if link in followed:
                raise SourceChanged(
                    f"{VENDOR} leads from one page of {kind} to itself; nothing of it was loaded."
                )
            followed.add(link)
            page = self.get(kind, link)

    def download(
        self, what: str, path: str, whole: Callable[[BinaryIO], None], *, public: bool
    ) -> BinaryIO:
        """A file of an export."""
        self._asked = what
        accept = {"accept": "application/fhir+ndjson"}
        return self._rest.download(path, headers=accept, whole=whole, public=public)

    def _reading(self, answer: Answer) -> SourceError | Passing | None:
        if self.smart and (read := self.smart.reading(answer)):
            return read
        status, what = answer.status, self._asked
        if status in (401, 403):
            todo = (f"grant the client system/{what}.rs, or leave {what} out of `resources`"
                    if what[:1].isupper() else f"grant the client the right to {what}"
                    )  # fmt: skip
            if status == 401:
                todo = "its token is not accepted: make a new one, or check client_id and key"
            return SourceRefused(
                f"{VENDOR} refused source '{self.source}' when asked for {what} (status "
                f"{status}); {todo}."
            )
        if 400 <= status < 500 and status != 429:
            # Never the server's words: they can hold what was found in a record.
            return SourceChanged(
                f"{VENDOR} did not understand our request for {what} of source '{self.source}' "
                f"(status {status}{_issues(answer)})."
            )
        return None


def exact(answer: Answer) -> dict[str, Any]:
    """The body as a JSON object with exact amounts; a ValueError where it is none."""
    said = json.loads(answer.body, parse_float=Decimal)
    if not isinstance(said, dict):
        raise ValueError
    return said


def entries(page: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The entries of a bundle that are whole."""
    listed = page.get("entry")
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict):
            yield entry


def matches(page: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The resources that a search found; what the server remarks on it is none."""
    for entry in entries(page):
        search, found = entry.get("search"), entry.get("resource")
        mode = search.get("mode") if isinstance(search, dict) else None
        if isinstance(found, dict) and mode in (None, "match"):
            yield found


def deletions(bundle: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The type and id of each resource that a bundle says was deleted, and its whole entry.

    Servers name it with or without their own address, and some by the version it was deleted in:
    `Patient/1`, `https://ehr.example.org/fhir/Patient/1`, `Patient/1/_history/2`.
    """
    for entry in entries(bundle):
        request = entry.get("request")
        if isinstance(request, dict) and request.get("method") == "DELETE":
            named = str(request.get("url")).partition("/_history")[0].strip("/").split("/")
            if len(named) > 1 and named[-1]:
                yield named[-2], named[-1], entry


def server_time(answer: Answer) -> datetime | None:
    """What the server's own clock says."""
    try:
        return parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None


def _next(page: Mapping[str, Any]) -> str | None:
    links = page.get("link")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("relation") == "next":
            return str(link.get("url"))
    return None


def _issues(answer: Answer) -> str:
    """The codes, not the words, of what the server complains about."""
    try:
        issues = answer.object().get("issue")
    except ValueError:
        return ""
    codes = {str(i.get("code")) for i in issues or () if isinstance(i, dict)}
    plain = sorted(code for code in codes if code.replace("-", "").isalpha() and len(code) < 30)
    return f", {', '.join(plain)}" if plain else ""
