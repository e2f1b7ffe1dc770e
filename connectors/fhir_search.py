"""FHIR by search: what was last updated in a stretch of time, type by type and page by page."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from connectors.contract import CareCode, Link, Row, Withdrawn
from connectors.errors import SourceChanged
from connectors.fhir_api import VENDOR, Api, deletions, matches
from connectors.fhir_lookup import Lookup
from connectors.fhir_reading import Reading
from connectors.fhir_resources import KINDS, ROWS, deleted
from connectors.source import Cursor, Item, Rejected, Slice

STEP = timedelta(days=92)  # of a first load: what is loaded stays loaded if the next step fails
SETTLING = timedelta(minutes=5)  # a server's index lags behind what it stores
OVERLAP = timedelta(minutes=10)  # what was stored late bears an earlier time
_READS = 3


class Search:
    """The changes of one server, by search."""

    def __init__(
        self, api: Api, reading: Reading, lookup: Lookup, page_size: int, histories: frozenset[str]
    ) -> None:
        self._api, self._reading, self._lookup = api, reading, lookup
        self._page_size = page_size
        self._histories = histories  # types whose history the server tells, deletions included

    def slices(self, cursors: Mapping[str, str], first: datetime, now: datetime) -> Iterator[Slice]:
        """Stretches of each type, from its cursor to what has settled."""
        until = now - SETTLING
        for kind in self._reading.kinds:
            key, _, reached = cursors.get(f"search:{kind}", "").partition(" ")
            before = datetime.fromisoformat(reached) if reached else None
            # All is read anew where it would make other rows. What was deleted is not there to be
            # read, so that is still asked for from where we were.
            known = before if key == self._reading.key else None
            gone_since = before - OVERLAP if before else None
            since = known - OVERLAP if known else first
            # A patient who has not changed for years may come tomorrow.
            lower = None if kind == "Patient" and known is None else since
            while since < until:
                upper = min(since + STEP, until)
                yield Slice(
                    name=f"{kind} until {upper:%Y-%m-%d %H:%M}",
                    rows=rows_of(kind),
                    cursor_key=f"search:{kind}",
                    read=partial(self._read, kind, lower, upper, gone_since),
                )
                since = lower = upper
                gone_since = upper if known else None

    def _read(
        self, kind: str, since: datetime | None, until: datetime, gone_since: datetime | None
    ) -> Iterator[Item]:
        rejected: dict[tuple[int, str], Rejected] = {}
        # A record that changes while pages are read leaves the stretch, and may push another over
        # the edge of a page: then the count is short, and the stretch is read again.
        for attempt in range(_READS):
            rejected.clear()
            read = _Count()
            for item in self._pages(kind, since, until, read):
                if isinstance(item, Rejected):
                    rejected[item.row_number, item.column] = item
                else:
                    yield item
            if read.total is None or len(read.ids) >= read.total:
                break
            if attempt == _READS - 1:
                raise SourceChanged(
                    f"{VENDOR} counts {read.total:,} {kind} resources but gave {len(read.ids):,}. "
                    "Nothing of them was loaded; the next refresh asks again."
                )
        yield from rejected.values()
        if gone_since is not None and kind in self._histories:
            yield from self._deletions(kind, gone_since)
        yield Cursor(f"{self._reading.key} {until.isoformat()}")

    def _pages(
        self, kind: str, since: datetime | None, until: datetime, read: "_Count"
    ) -> Iterator[Item]:
        asked: dict[str, Any] = {
            "_lastUpdated": [*([f"ge{_said(since)}"] if since else []), f"lt{_said(until)}"],
            "_count": str(self._page_size),
            "_total": "accurate",
            "_elements": ",".join(("id", "meta", *KINDS[kind].elements)),
        }
        number = 1
        for page in self._api.pages(kind, kind, asked):
            total = page.get("total")
            read.total = total if isinstance(total, int) else read.total
            found = [said for said in matches(page) if said.get("resourceType") == kind]
            read.ids.update(str(said.get("id")) for said in found)
            for said in found:
                self._lookup.note(said)
            yield from self._lookup.rows(found, kind, number)
            number += len(found)

    def _deletions(self, kind: str, since: datetime) -> Iterator[Row]:
        asked = {"_since": _said(since), "_count": str(self._page_size), "_elements": "id"}
        for page in self._api.pages(kind, f"{kind}/_history", asked):
            for named, own, entry in deletions(page):
                said = entry.get("response")
                at = said.get("lastModified") if isinstance(said, dict) else None
                gone = _when(at) or self._reading.rules.now
                if named == kind:
                    yield from deleted(kind, own, gone, by_id=self._reading.system is None)


class _Count:
    """How many resources a search says that it found, and which it gave."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.ids: set[str] = set()


def rows_of(kind: str) -> tuple[type[Row], ...]:
    """The kinds of row that one type of resource may become."""
    own = [row for row in ROWS if row.spec.table == KINDS[kind].table]
    besides: dict[str, list[type[Row]]] = {"Encounter": [CareCode], "Patient": [Link]}
    more = besides.get(kind, [])
    return (*own, *more, *([] if kind == "Patient" else [Withdrawn]))


def _said(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _when(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
