"""Twilio: text messages sent, what became of each, answers to them, and who opted out.

Of a message that came in only the keyword is looked at (STOP, START); its text is neither kept nor
stored. Twilio's answers hold numbers and texts, so they are not kept as fetched.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from connectors.errors import SourceChanged, SourceError, SourceMisconfigured, SourceRefused
from connectors.errors import SourceUnreachable as Unreachable
from connectors.flows import FLOWS, Flows, flow_rules
from connectors.message_rows import ROWS
from connectors.options import redacted, settings
from connectors.patience import Passing, Patience, no_answer, patiently, retry_after, throttled
from connectors.shapes import BadValue
from connectors.source import ENDPOINT, Context, Item, Option, Rejected, Slice, Source, Window
from connectors.twilio_rows import ANSWERED_WITHIN, Threads, rows
from connectors.windows import open_windows, settled_by

OPTIONS = (
    Option("account_sid", "SID of the account, AC and 32 signs."),
    Option("auth_token", "Auth token, or the secret of `api_key`.", secret=True),
    Option("api_key", "SID of an API key, SK and 32 signs.", False),
    FLOWS,
    ENDPOINT,
)
VENDOR_ADDRESS = "https://api.twilio.com"

# States and prices come after the message; a carrier may take three days.
RESTATED_DAYS = 3
PAGE = 1000
PATIENCE = Patience()


def connect(context: Context) -> Source:
    """Open the account with Twilio's own client."""
    chosen = settings(context, OPTIONS)
    for name, start in (("account_sid", "AC"), ("api_key", "SK")):
        if chosen[name] and not re.fullmatch(rf"{start}[0-9a-fA-F]{{32}}", str(chosen[name])):
            raise SourceMisconfigured(
                f"The {name} of source '{context.name}' is not {start} and 32 signs; "
                "it is shown in Twilio's console."
            )
    flows = flow_rules(context.name, chosen["flows"])
    try:
        from twilio.http.http_client import TwilioHttpClient
        from twilio.rest import Client
    except ImportError:
        raise SourceMisconfigured(
            f"Source '{context.name}' needs Twilio's library: pip install 'caretrace[twilio]'."
        ) from None
    client = Client(
        chosen["api_key"] or chosen["account_sid"],
        chosen["auth_token"],
        chosen["account_sid"],
        http_client=TwilioHttpClient(timeout=PATIENCE.socket_seconds),
        # Not our environment's, which could send the token to another address.
        environment={"TWILIO_REGION": "", "TWILIO_EDGE": ""},
    )
    address = chosen["endpoint"] or VENDOR_ADDRESS
    return Twilio(context, client, address, flows, PATIENCE)


class Twilio:
    """The messages of one account."""

    def __init__(
        self, context: Context, client: Any, address: str, flows: Flows, patience: Patience
    ) -> None:
        self._context = context
        self._client = client
        self._address = address
        self._flows = flows
        self._patience = patience
        self._home = f"/2010-04-01/Accounts/{client.account_sid}"

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """Months by the day of sending, then what is new and the last `RESTATED_DAYS` days."""
        today = self._context.now.astimezone(UTC).date()
        for window in open_windows(self._context.first_day, today, cursors.get("messages")):
            yield Slice(
                name=f"messages {window.since} to {window.until}",
                rows=ROWS,
                cursor_key="messages",
                asked=window,
                read=partial(self._read, window, today),
            )

    def probe(self) -> str:
        """Whose account it is, and that its messages may be read."""
        account = self._ask(f"{self._home}.json", {}, _account)
        today = self._context.now.date()
        self._ask(f"{self._home}/Messages.json", _days(Window(today, today), 1), _page)
        return (
            f"Twilio account '{account.get('friendly_name')}' answers "
            f"({account.get('status')}); its messages may be read."
        )

    def _read(self, window: Window, today: date) -> Iterator[Item]:
        # An answer may be to a message of before the window.
        since = window.since - timedelta(days=ANSWERED_WITHIN.days)
        threads = Threads()
        start = datetime.combine(window.since, datetime.min.time(), UTC)
        number = 0
        for page in self._pages(Window(since, window.until)):
            for said in page:
                number += 1
                yield from self._rows(said, number, threads, start)
        # What came in is told once every message that it may answer is known.
        yield from threads.rows(self._flows)
        yield settled_by(window, today, RESTATED_DAYS)

    def _rows(
        self, said: Mapping[str, Any], number: int, threads: Threads, start: datetime
    ) -> Iterator[Item]:
        self._context.see("message", said.keys())
        try:
            yield from rows(said, threads, start, self._flows)
        except BadValue as bad:
            yield Rejected(
                "Twilio messages", number, bad.column, bad.shape, bad.reason, "message_event"
            )

    def _pages(self, window: Window) -> Iterator[list[dict[str, Any]]]:
        page = self._ask(f"{self._home}/Messages.json", _days(window, PAGE), _page)
        seen: set[str] = set()
        while True:
            yield page["messages"]
            beyond = page.get("next_page_uri")
            if not beyond:
                return
            if str(beyond) in seen:
                raise Unreachable("Twilio gave one page twice; refresh again later.")
            seen.add(str(beyond))
            page = self._ask(self._ours(str(beyond)), {}, _page)

    def _ours(self, uri: str) -> str:
        parts = urlsplit(uri)
        path = f"{parts.path}?{parts.query}"
        if not parts.path.startswith(f"{self._home}/"):
            raise SourceChanged(
                f"Twilio sent source '{self._context.name}' on to another address, which would "
                "get its token; set the endpoint in caretrace.toml if it has moved."
            )
        return path

    def _ask(self, path: str, params: dict[str, object], whole: Any) -> dict[str, Any]:
        def ask() -> dict[str, Any]:
            answer = self._client.request(
                "GET",
                f"{self._address}{path}",
                params=params or None,
                timeout=self._patience.socket_seconds,
            )
            if answer.status_code != 200:
                raise self._refusal(answer)
            said: dict[str, Any] = whole(json.loads(answer.text))
            return said

        return patiently(ask, _explain, self._patience)

    def _refusal(self, answer: Any) -> SourceError | Passing:
        status = int(answer.status_code)
        if status == 429:
            return throttled("Twilio", retry_after(answer.headers or {}))
        if status in (401, 403):
            return SourceRefused(
                f"Twilio refused source '{self._context.name}' (status {status}); check "
                "account_sid, and set an auth_token of that account, or an api_key of it that "
                "may read messages with its secret."
            )
        if status == 404:
            return SourceRefused(
                f"Twilio has no account that source '{self._context.name}' may see under its "
                "account_sid; correct it in caretrace.toml."
            )
        if status >= 500 or 300 <= status < 400:
            return _broken(f"status {status}")
        return SourceChanged(
            f"Twilio did not understand our request for source '{self._context.name}' (status "
            f"{status}): {redacted(_words(answer.text), (self._client.password,))}"
        )


def _days(window: Window, rows: int) -> dict[str, object]:
    """Both days are included: `=` follows after the names `DateSent>` and `DateSent<`."""
    return {
        "DateSent>": window.since.isoformat(),
        "DateSent<": window.until.isoformat(),
        "PageSize": rows,
    }


def _account(said: Any) -> dict[str, Any]:
    if not isinstance(said, dict) or "status" not in said:
        raise _broken("no account")
    return said


def _page(said: Any) -> dict[str, Any]:
    messages = said.get("messages") if isinstance(said, dict) else None
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise _broken("without messages")
    return dict(said)


def _words(body: str) -> str:
    try:
        said = json.loads(body)
    except ValueError:
        return "no reason given"
    return str(said.get("message") or "no reason given") if isinstance(said, dict) else ""


def _explain(failure: Exception) -> SourceError | Passing:
    import requests

    # A body that is cut short or no JSON is a ValueError, and some of those are requests' too.
    if isinstance(failure, json.JSONDecodeError):
        return _broken("it is not whole")
    if isinstance(failure, TimeoutError | requests.RequestException):
        return no_answer("Twilio", failure)
    return _broken(type(failure).__name__)


def _broken(what: str) -> Passing:
    return Passing(Unreachable(f"Twilio's answer was broken: {what}. Refresh again later."))
