"""Zendesk Sell's API: resources listed page by page, and the queue of the Sync API.

Without a `User-Agent` Sell refuses every request, and its 429 says no time. What it sends is named
by type, with the record inside `data`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from connectors.errors import SourceUnreachable
from connectors.patience import Patience
from connectors.rest import Answer, Rest

ADDRESS = "https://api.getbase.com"
PAGE = 100
ACKNOWLEDGED_AT_ONCE = 100
MOST_SHIFTS = 20  # of one list, while it is read
DEVICE = "X-Basecrm-Device-UUID"

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """One thing of the queue: a record that was made or changed, or the number of a deleted one."""

    kind: str
    record: Record
    deleted: bool
    key: str  # to acknowledge it by


@dataclass(frozen=True, slots=True)
class _Page:
    """A page that was read: where it is, how long, and its first and last record."""

    path: str
    asked: dict[str, str] | None
    size: int
    first: object
    last: object


class Sell:
    """One account."""

    def __init__(self, source: str, token: str, endpoint: str | None, patience: Patience) -> None:
        self._rest = Rest(
            source,
            "Zendesk Sell",
            endpoint or ADDRESS,
            patience=patience,
            grant=(
                "make an access token with 'Read' and 'Sync' (Settings, Integrations, OAuth, "
                "Access Tokens) for a user who sees all records, and set access_token."
            ),
            auth=lambda: {"authorization": f"Bearer {token}", "user-agent": "caretrace"},
            secrets=(token,),
        )

    def account(self) -> Record:
        """The account that the token is of."""
        return self._rest.ask("GET", "v2/accounts/self", read=_data)

    def one(self, kind: str, number: str) -> Record | None:
        """One record; None where there is none any more."""

        def found(answer: Answer) -> Record | None:
            return None if answer.status == 404 else _data(answer)

        return self._rest.ask("GET", f"v2/{kind}s/{number}", expected=(200, 404), read=found)

    def listed(self, resource: str, **params: str) -> Iterator[Record]:
        """Every record of a resource, to the last page.

        Pages are numbered, so where a record is deleted meanwhile the first of the next page moves
        to one that was read. Therefore the last of each page is looked at again once the next is
        there; where it is another, its page is read again, and what is on it may come twice.
        """
        path = f"v2/{resource}"
        asked: dict[str, str] | None = {"per_page": str(PAGE), "page": "1"} | params
        before: _Page | None = None
        place = shifts = 0  # of the last record that was read; how often pages had shifted
        while True:
            page, following = self._rest.ask("GET", path, params=asked, read=_page)
            if before and page and page[0].get("id") == before.first:
                raise SourceUnreachable(
                    f"Zendesk Sell gave a page of {resource} twice; refresh again later."
                )
            if before and self._at(resource, place, params) != before.last:
                shifts += 1
                if shifts > MOST_SHIFTS:
                    raise SourceUnreachable(
                        f"Zendesk Sell's {resource} change faster than they are read; refresh "
                        "again later."
                    )
                path, asked, place, before = before.path, before.asked, place - before.size, None
                continue
            yield from page
            if not page:
                return
            before = _Page(path, asked, len(page), page[0].get("id"), page[-1].get("id"))
            place += len(page)
            if following:
                # Whole addresses of Sell's: ours may be another (a proxy), so only the rest counts.
                path, asked = following, None
            elif len(page) < PAGE or asked is None:
                return
            else:
                asked = asked | {"page": str(int(asked["page"]) + 1)}

    def _at(self, resource: str, place: int, params: Mapping[str, str]) -> object:
        """The id of the record that is now at a place of a list."""
        asked = {**params, "per_page": "1", "page": str(place)}
        page, _ = self._rest.ask("GET", f"v2/{resource}", params=asked, read=_page)
        return page[0].get("id") if page else None

    def start(self, device: str) -> str | None:
        """A session of the Sync API: "" if nothing is new, None if the plan has no such API."""

        def session(answer: Answer) -> str | None:
            if answer.status in (402, 403):
                return None
            return "" if answer.status == 204 else str(_data(answer)["id"])

        return self._rest.ask(
            "POST",
            "v2/sync/start",
            headers={DEVICE: device},
            expected=(201, 200, 204, 402, 403),
            read=session,
        )

    def next_told(self, device: str, session: str) -> list[Told] | None:
        """The next of the queue, which are then out of it for this session; None at its end."""
        path = f"v2/sync/{session}/queues/main"
        return self._rest.ask(
            "GET", path, headers={DEVICE: device}, expected=(200, 204), read=_told
        )

    def acknowledge(self, device: str, keys: list[str]) -> None:
        """Say that these were kept, so that they do not come again."""
        for start in range(0, len(keys), ACKNOWLEDGED_AT_ONCE):
            self._rest.ask(
                "POST",
                "v2/sync/ack",
                body={"data": {"ack_keys": keys[start : start + ACKNOWLEDGED_AT_ONCE]}},
                headers={DEVICE: device},
                expected=(202, 200, 204),
                read=lambda _answer: None,
            )


def _data(answer: Answer) -> Record:
    said = answer.object().get("data")
    if not isinstance(said, dict):
        raise ValueError
    return said


def _page(answer: Answer) -> tuple[list[Record], str]:
    said = answer.object()
    items: list[Record] = [item["data"] for item in _items(said)]
    links = (said.get("meta") or {}).get("links") or {}
    parts = urlsplit(str(links.get("next_page") or ""))
    return items, f"{parts.path}?{parts.query}" if parts.path else ""


def _told(answer: Answer) -> list[Told] | None:
    """Also those that Sell failed to put in, which have no record and no key."""
    if answer.status == 204:
        return None
    said = answer.object()
    told = [
        Told(
            kind=str(item["meta"]["type"]),
            record=item["data"],
            deleted=item["meta"]["sync"].get("event_type") == "deleted",
            key=str(item["meta"]["sync"]["ack_key"]),
        )
        for item in _items(said)
    ]
    failed = (said.get("meta") or {}).get("failed_objects") or []
    return told + [Told(str(one["type"]), {"id": one["id"]}, False, "") for one in failed]


def _items(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    items = said.get("items")
    whole = isinstance(items, list) and all(
        isinstance(item, dict)
        and isinstance(item.get("data"), dict)
        and isinstance(item.get("meta", {}), dict)
        for item in items
    )
    if not whole:
        raise ValueError
    return list(items or [])
