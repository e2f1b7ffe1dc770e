"""CallRail: calls with their source, tags and value, the callers' visits, web forms and texts.

Calls are read by days, newest first, and merged by their id: what comes twice because a call
arrived between two pages lands once. Tags, lead status, value and spam marks are set later, so
the last `RESTATED_DAYS` days are read again at each refresh.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import cached_property, partial
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connectors.callrail_rows import (
    CALL_FIELDS,
    FORM_FIELDS,
    BadValue,
    Names,
    call_rows,
    form,
    is_outbound,
    needed_text,
)
from connectors.callrail_texts import LIST_FIELDS, is_whole, text_rows
from connectors.contract import Call, Preference, Row, Touchpoint
from connectors.errors import (
    SourceBusy,
    SourceError,
    SourceMisconfigured,
    SourceUnreachable,
)
from connectors.options import settings
from connectors.patience import Passing, Patience, retry_after
from connectors.rest import Answer, Rest
from connectors.shapes import shape_of
from connectors.source import ENDPOINT, Context, Cursor, Item, Option, Rejected, Slice, Source
from connectors.windows import open_windows, settled_by

OPTIONS = (
    Option("account_id", "CallRail account: the text after /a/ in its address, as ACC..."),
    Option("api_key", "API key of a user who sees all companies.", secret=True),
    Option("companies", "Only these companies (COM...), as a list.", False, default=()),
    Option("locations", "Table: company (COM...) = location.", False, default={}),
    Option("service_lines", "Table: company (COM...) = service line.", False, default={}),
    Option("currency", "Currency of the calls' value.", False, default="USD"),
    Option("milestones", "Load the callers' first and last visits.", False, default=True),
    Option("texts", "Load text conversations.", False, default=False),
    Option("forms", "Load form submissions.", False, default=True),
    ENDPOINT,
)

RESTATED_DAYS = 30
# CallRail keeps 25 months and refuses to be asked for more; a month of them may be short.
HISTORY_DAYS = 25 * 30
PAGE = 250
PATIENCE = Patience()

KINDS: dict[str, tuple[type[Row], ...]] = {
    "calls": (Call, Touchpoint),
    "form_submissions": (Touchpoint,),
    "text-messages": (Touchpoint, Preference),
}
# What a list of them is called in the answer, and which fields are asked for.
LISTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "companies": ("companies", ()),
    "form_submissions": ("form_submissions", FORM_FIELDS),
    "text-messages": ("conversations", LIST_FIELDS),
}


class NotFound(SourceMisconfigured):
    """CallRail has nothing at this address."""


def connect(context: Context) -> Source:
    """Open the account."""
    chosen = settings(context, OPTIONS)
    for name in ("locations", "service_lines"):
        if not isinstance(chosen[name], dict):
            raise SourceMisconfigured(
                f"The {name} of source '{context.name}' are no table such as COM123 = \"North\"."
            )
    if isinstance(chosen["companies"], str):
        raise SourceMisconfigured(
            f"The companies of source '{context.name}' are no list such as [\"COM123\"]."
        )
    key = str(chosen["api_key"])

    def reading(answer: Answer) -> SourceError | Passing | None:
        if answer.status == 429:
            return _throttled(answer)
        if answer.status == 404:
            return NotFound(
                f"CallRail has no account {chosen['account_id']} that the key of source "
                f"'{context.name}' can see; check account_id and whose key it is."
            )
        return None

    api = Rest(
        context.name,
        "CallRail",
        f"{chosen['endpoint'] or 'https://api.callrail.com'}/v3/a",
        patience=PATIENCE,
        grant="make an API key of a user who may see the account's companies and set api_key.",
        auth=lambda: {"authorization": f'Token token="{key}"'},
        secrets=(key,),
        reading=reading,
        stops_when_busy=True,
    )
    return Account(context, api, chosen)


class Account:
    """One CallRail account."""

    def __init__(self, context: Context, api: Rest, chosen: Mapping[str, Any]) -> None:
        self._context = context
        self._api = api
        self._chosen = chosen
        self._path = f"/{chosen['account_id']}"
        self._names = Names(
            currency=str(chosen["currency"]),
            locations=chosen["locations"],
            service_lines=chosen["service_lines"],
            milestones=bool(chosen["milestones"]),
        )

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """Months of calls, then of forms and texts, of each company named, or of all at once."""
        today = self._today()
        first = max(self._context.first_day, today - timedelta(days=HISTORY_DAYS))
        kinds = ["calls"]
        kinds += ["form_submissions"] if self._chosen["forms"] else []
        kinds += ["text-messages"] if self._chosen["texts"] else []
        for kind in kinds:
            for company in self._chosen["companies"] or ("",):
                key = f"{kind} {company}".strip()
                for window in open_windows(first, today, cursors.get(key)):
                    # A day more: CallRail's days are of its account's time zone, not of ours.
                    days = {
                        "start_date": f"{window.since - timedelta(days=1)}",
                        "end_date": f"{window.until}",
                    }
                    if company:
                        days["company_id"] = company
                    cursor = settled_by(window, today, RESTATED_DAYS)
                    yield Slice(
                        name=f"{key} {window.since} to {window.until}",
                        rows=KINDS[kind],
                        cursor_key=key,
                        asked=window,
                        read=partial(self._read, kind, days, cursor),
                    )

    def probe(self) -> str:
        """How many calls came in the last week."""
        account = self._api.get(f"{self._path}.json")
        names = [str(said.get("name")) for said in self._companies]
        since = self._today() - timedelta(days=7)
        asked = {"start_date": f"{since}", "end_date": f"{self._today()}", "per_page": "1"}
        calls = self._api.get(f"{self._path}/calls.json", asked).get("total_records", 0)
        withheld = " It is a HIPAA account: CallRail withholds some fields." * bool(
            account.get("hipaa_account")
        )
        return (
            f"CallRail account {account.get('name')} answers; companies: {', '.join(names)}; "
            f"calls since {since}: {calls:,}.{withheld}"
        )

    @cached_property
    def _companies(self) -> list[dict[str, Any]]:
        """The companies that are read; each must be known to CallRail."""
        found = [said for page in self._numbered("companies", {}) for said in page]
        wanted = [str(name) for name in self._chosen["companies"]]
        known = {str(said.get("id")): said for said in found}
        for name in (*wanted, *self._names.locations, *self._names.service_lines):
            if name not in known:
                raise SourceMisconfigured(
                    f"CallRail has no company '{name}', which source '{self._context.name}' "
                    f"names; it knows {', '.join(sorted(known)) or 'none'}."
                )
        return [known[name] for name in wanted] if wanted else found

    def _today(self) -> date:
        """The day that it is already somewhere among the companies."""
        zones = [_zone(str(said.get("time_zone") or "")) for said in self._companies]
        return max(
            (self._context.now.astimezone(zone).date() for zone in zones),
            default=self._context.now.date(),
        )

    def _read(self, kind: str, days: Mapping[str, str], cursor: Cursor) -> Iterator[Item]:
        pages = self._relative(days) if kind == "calls" else self._numbered(kind, days)
        number = 0
        for page in pages:
            for said in page:
                number += 1
                try:
                    yield from self._rows(kind, said)
                except BadValue as bad:
                    yield Rejected(
                        file=f"CallRail {kind}",
                        row_number=number,
                        column=bad.column,
                        shape=shape_of(bad.value),
                        reason=bad.reason,
                        table="call" if kind == "calls" else "touchpoint",
                    )
        yield cursor

    def _rows(self, kind: str, said: Mapping[str, Any]) -> list[Item]:
        if kind == "form_submissions":
            return [form(said, self._names)]
        if kind == "text-messages":
            return list(text_rows(said, self._messages(said), self._names))
        return [] if is_outbound(said) else list(call_rows(said, self._names))

    def _messages(self, said: Mapping[str, Any]) -> object:
        """All messages of a conversation: those of the list, if there are no more.

        One that was deleted since it was listed has none, and must not cost the others theirs.
        """
        if is_whole(said):
            return said.get("recent_messages")
        path = f"{self._path}/text-messages/{needed_text(said, 'id')}.json"
        asked = {"fields": "messages"}
        return self._api.ask("GET", path, params=asked, expected=(200, 404), read=_thread)

    def _relative(self, days: Mapping[str, str]) -> Iterator[list[dict[str, Any]]]:
        """Pages of calls, each of which says where the next begins.

        Only the place is taken from the address of the next page: CallRail names its own there,
        whatever the endpoint is.
        """
        asked = {**days, "relative_pagination": "true", "per_page": f"{PAGE}"}
        asked["fields"] = ",".join(CALL_FIELDS)
        offset = 0
        while True:
            params = {**asked, "offset": f"{offset}"}
            page = self._api.ask("GET", f"{self._path}/calls.json", params=params, read=_calls)
            yield page["calls"]
            if not page["has_next_page"]:
                return
            found = parse_qs(urlsplit(str(page.get("next_page"))).query).get("offset", [""])[0]
            if not found.isdigit() or int(found) <= offset:
                raise SourceUnreachable(
                    "CallRail's pages of calls lead in a circle; refresh again later."
                )
            offset = int(found)

    def _numbered(self, kind: str, asked: Mapping[str, str]) -> Iterator[list[dict[str, Any]]]:
        """Numbered pages, as all lists but that of calls have."""
        name, wanted = LISTS[kind]
        fields = {"fields": ",".join(wanted)} if wanted else {}
        number = 1
        while True:
            params = {**asked, **fields, "page": f"{number}", "per_page": f"{PAGE}"}
            path = f"{self._path}/{kind}.json"
            page = self._api.ask("GET", path, params=params, read=partial(_list, name))
            yield page[name]
            if number >= int(page["total_pages"]):
                return
            number += 1


def _calls(answer: Answer) -> dict[str, Any]:
    """A page of calls; a ValueError, so that it is asked for again, where it is no such page."""
    said = answer.object()
    if not isinstance(said.get("calls"), list) or not isinstance(said.get("has_next_page"), bool):
        raise ValueError
    return said


def _list(kind: str, answer: Answer) -> dict[str, Any]:
    said = answer.object()
    if not isinstance(said.get(kind), list) or not isinstance(said.get("total_pages"), int):
        raise ValueError
    return said


def _thread(answer: Answer) -> list[Any]:
    if answer.status == 404:
        return []
    messages = answer.object().get("messages")
    if not isinstance(messages, list):
        raise ValueError
    return messages


def _throttled(answer: Answer) -> Passing:
    """CallRail's 429 does not say which of its limits was met, nor for how long."""
    words = (
        "CallRail is busy (it takes 1,000 requests an hour and 10,000 a day); what was loaded "
        "stands. Refresh again in 1 hour."
    )
    return Passing(SourceBusy(words), retry_after(answer.headers))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
