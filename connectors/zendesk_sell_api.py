"""Zendesk Sell's API: resources listed page by page, and the queue of the Sync API.

Without a `User-Agent` Sell refuses every request, and its 429 says no time. What it sends is named
by type, with the record inside `data`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.errors import SourceUnreachable
from connectors.patience import Patience
from connectors.rest import Answer, Rest

ADDRESS = "https://api.getbase.com"
PAGE = 100
ACKNOWLEDGED_AT_ONCE = 100
OVERLAP = 10  # so many records may be deleted between two pages before one is read again
MOST_IDLE = 20  # pages in a row that lead no further in a list
DEVICE = "X-Basecrm-Device-UUID"

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """One thing of the queue: a record that was made or changed, or the number of a deleted one."""

    kind: str
    record: Record
    deleted: bool
    key: str  # to acknowledge it by


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
        """Every record of a resource, to the last page; none twice.

        Pages are numbered. A record that changes goes to the front where the last change comes
        first, and the others move back: they come again. One that is deleted lets the others move
        forward, on to pages that were read. So each page begins a few records before the end of
        the last: where it holds none that was read, others were passed over, and we go back.
        """
        place = idle = 0  # how far the list was read; pages in a row that lead no further
        linked = False  # whether a page tells of the next
        first: object = None  # of the page before
        seen: set[object] = set()
        while True:
            size, number = _page_over(place)
            asked = {**params, "per_page": str(size), "page": str(number)}
            page, following = self._rest.ask("GET", f"v2/{resource}", params=asked, read=_page)
            if page and page[0]["id"] == first:
                raise SourceUnreachable(
                    f"Zendesk Sell gave a page of {resource} twice; refresh again later."
                )
            new = [record for record in page if record["id"] not in seen]
            passed_over = place > 0 and len(new) == len(page)
            if 0 < len(new) < len(page):
                idle = 0
            elif place:
                idle += 1
            if idle > MOST_IDLE:
                raise SourceUnreachable(
                    f"Zendesk Sell's {resource} change faster than they are read; refresh again "
                    "later."
                )
            if passed_over:
                place, first = max(0, place - PAGE), None
                continue
            yield from new
            linked = linked or following
            if not page or not (following or (len(page) == size and not linked)):
                return
            seen.update(record["id"] for record in new)
            place, first = size * number, page[0]["id"]

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


def _page_over(place: int) -> tuple[int, int]:
    """Size and number of the page that begins `OVERLAP` before a place, or just before, and of
    such pages ends last: pages are numbered by their size, so another size begins elsewhere.
    """
    begin = max(0, place - OVERLAP)
    sizes = range(PAGE // 2, PAGE + 1)
    return max(((size, begin // size + 1) for size in sizes), key=math.prod)


def _page(answer: Answer) -> tuple[list[Record], bool]:
    """The records of a page, and whether it names a next one."""
    said = answer.object()
    items: list[Record] = [item["data"] for item in _items(said)]
    if any("id" not in record for record in items):
        raise ValueError
    links = (said.get("meta") or {}).get("links") or {}
    return items, bool(links.get("next_page"))


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
