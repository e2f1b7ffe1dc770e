"""What the failures of the Microsoft Advertising API mean.

A failure is a fault with numbered errors in its body, under a status of 400, 401, 403 or 500 that
says little: the number decides.
"""

import json
import zipfile
import zlib
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
from connectors.patience import Passing, no_answer, retry_after, throttled

# Microsoft's guide: wait a minute after 117; after 207 wait until earlier reports are made.
THROTTLED = {117: "too many calls a minute", 207: "too many reports at a time"}
THROTTLE_SECONDS = 60.0
STALE = 109
GONE = frozenset({2100, 2101})
INTERNAL = 0


class AccountRefused(SourceRefused):
    """One account cannot be read; others of the same source may be."""


class Gone(SourceBusy):
    """Microsoft no longer knows a report that was asked for; it must be asked for again."""


class Token(Protocol):
    """What is known of the token at hand."""

    def forget(self) -> bool: ...


class Failures:
    """What went wrong, in words."""

    def __init__(self, source: str, token: Token, secrets: Iterable[object]) -> None:
        self._source = source
        self._token = token
        self._secrets = tuple(secrets)

    def explain(self, account: str, failure: Exception) -> SourceError | Passing:
        """For `patiently`."""
        import httpx
        import urllib3
        from openapi_client.exceptions import ApiException

        if isinstance(failure, ApiException):
            return self._fault(account, failure)
        if isinstance(failure, TimeoutError | ConnectionError | httpx.TransportError):
            return no_answer("Microsoft Advertising", failure)
        if isinstance(failure, urllib3.exceptions.HTTPError):
            return no_answer("Microsoft Advertising", failure)
        if isinstance(failure, zipfile.BadZipFile | EOFError | zlib.error):
            return broken("the report is not a whole zip file")
        return broken(f"not in the agreed shape, {type(failure).__name__}")

    def _fault(self, account: str, failure: Any) -> SourceError | Passing:
        for number, name, words in _errors(failure.body):
            if explained := self._number(account, number, name, words):
                return explained
        status = failure.status or 0
        headers = failure.headers or {}
        if status == 429:
            return throttled("Microsoft Advertising", retry_after(headers) or THROTTLE_SECONDS)
        if status == 401:
            return self._stale("status 401")
        if status == 403:
            return self._refused("status 403")
        if status >= 500 or status < 400:
            return broken(f"status {status}")
        return SourceChanged(
            f"Microsoft Advertising did not understand our request (status {status}); check the "
            "endpoint of the source."
        )

    def _number(
        self, account: str, number: int, name: str, words: str
    ) -> SourceError | Passing | None:
        if number in THROTTLED:
            return throttled("Microsoft Advertising", THROTTLE_SECONDS, THROTTLED[number])
        if number == INTERNAL:
            return broken(f"{name}, code 0")
        if number == STALE:
            return self._stale(f"code {number}")
        if number == 105:
            return self._refused(f"code {number}")
        if number in (106, 208):
            return AccountRefused(
                f"Microsoft Advertising does not let the user of source '{self._source}' read "
                f"account {account} (code {number}); give that user a role in it (Tools, Account "
                "access), and check customer_id and account_ids (the numbers in the address "
                "aid=... and cid=..., not those that begin with a letter)."
            )
        if number in GONE:
            return Gone(
                "Microsoft Advertising no longer knows a report that was asked for; refresh again."
            )
        shown = redacted(words, self._secrets)
        return SourceChanged(
            f"Microsoft Advertising did not understand our request ({name}, code {number}): {shown}"
        )

    def _stale(self, what: str) -> SourceError | Passing:
        """A token that was good a moment ago is made anew; another is of no use."""
        refusal = self._refused(what)
        return Passing(refusal) if self._token.forget() else refusal

    def _refused(self, what: str) -> SourceRefused:
        return SourceRefused(
            f"Microsoft Advertising refused source '{self._source}' ({what}): the developer_token "
            "is wrong, or the consent is not for msads.manage. Copy the token from the Developer "
            "Portal, or give the consent again."
        )


def broken(what: str) -> Passing:
    """An answer that is no answer."""
    words = f"Microsoft Advertising's answer was broken ({what}). Refresh again later."
    return Passing(SourceUnreachable(words))


def _errors(body: Any) -> list[tuple[int, str, str]]:
    """The numbered errors of a fault, in whichever of its lists they are."""
    try:
        said = json.loads(body or "")
    except (ValueError, TypeError):
        return []
    lists = ("Errors", "OperationErrors", "BatchErrors")
    found = [e for name in lists for e in _list(said, name) if isinstance(e, dict)]
    return [
        (e["Code"], str(e.get("ErrorCode") or "an error"), str(e.get("Message") or ""))
        for e in found
        if isinstance(e.get("Code"), int)
    ]


def _list(said: Any, name: str) -> list[Any]:
    found = said.get(name) if isinstance(said, dict) else None
    return found if isinstance(found, list) else []
