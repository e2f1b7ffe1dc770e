"""Salesforce's queries: what changed between two instants, page by page or as a job.

What is small comes over REST, 2,000 records a page. What is large is made by a job of the Bulk API
2.0 and fetched in pages of text. Both ask for deleted records as well.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.errors import SourceChanged, SourceError, SourceUnreachable
from connectors.salesforce_failures import LostPlace, TooSlow, broken
from connectors.salesforce_session import Session

Record = dict[str, Any]  # by name of the field; those of a parent as `Campaign.Name`

BULK_PAGE = 50_000
# As many ids as an address can hold.
IDS = 400
SHORTEST = timedelta(hours=1)
RESTARTS = 5
JOB_TRIES = 3
JOB_SECONDS = 7200.0
LONGEST_LOOK = 20.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Fields of one object, of the records that a condition holds for."""

    name: str
    fields: tuple[str, ...]
    only: str = ""


class Queries:
    """What can be asked of one organisation."""

    def __init__(self, session: Session, bulk_rows: int) -> None:
        self._session = session
        self._bulk_rows = bulk_rows

    def fields(self, name: str) -> frozenset[str]:
        """The fields of an object that we may see; of a lookup also under its parent's name."""

        def whole(client: Any) -> frozenset[str]:
            said = getattr(client, name).describe()
            found = {str(field["name"]) for field in said["fields"]}
            return frozenset(found | {f"{f['relationshipName']}." for f in _lookups(said)})

        return self._session.ask(whole)

    def count(self, name: str, where: str = "") -> int:
        """How many records there are, deleted ones among them."""
        condition = f" WHERE {where}" if where else ""
        soql = f"SELECT COUNT() FROM {name}{condition}"  # noqa: S608
        return int(self._query(soql)["totalSize"])

    def changed(self, asked: Asked, since: datetime, until: datetime) -> Iterator[list[Record]]:
        """Pages of what changed from `since` (included) to `until` (not included)."""
        where = _between(asked, since, until)
        try:
            count = self.count(asked.name, where)
            if count >= self._bulk_rows:
                yield from self._by_job(f"{_select(asked)} WHERE {where}", count)
            elif count:
                yield from self._by_pages(asked, since, until)
        except TooSlow:
            if until - since <= SHORTEST:
                raise
        else:
            return
        middle = (since + (until - since) / 2).replace(microsecond=0)
        yield from self.changed(asked, since, middle)
        yield from self.changed(asked, middle, until)

    def related(self, asked: Asked, column: str, ids: Sequence[str]) -> Iterator[Record]:
        """The records whose `column` is one of `ids`."""
        for start in range(0, len(ids), IDS):
            listed = ", ".join(f"'{_safe(one)}'" for one in ids[start : start + IDS])
            only = f" AND {asked.only}" if asked.only else ""
            soql = f"{_select(asked)} WHERE {column} IN ({listed}){only} ORDER BY Id"
            yield from self._all(soql)

    def _all(self, soql: str) -> list[Record]:
        """All that a short query gives; asked anew where its place is lost."""
        for restart in range(RESTARTS + 1):
            try:
                return [record for page in self._pages(soql) for record in page]
            except LostPlace:
                if restart == RESTARTS:
                    raise
        raise AssertionError("unreachable")

    def _by_pages(self, asked: Asked, since: datetime, until: datetime) -> Iterator[list[Record]]:
        """In order of change, so that a query whose place is lost goes on where it was."""
        for restart in range(RESTARTS + 1):
            where = _between(asked, since, until)
            try:
                soql = f"{_select(asked)} WHERE {where} ORDER BY SystemModstamp, Id"
                for page in self._pages(soql):
                    yield page
                    if page:
                        since = datetime.fromisoformat(str(page[-1]["SystemModstamp"]))
            except LostPlace:
                if restart == RESTARTS:
                    raise
            else:
                return

    def _pages(self, soql: str) -> Iterator[list[Record]]:
        answer = self._query(soql)
        total, read, here = int(answer["totalSize"]), 0, ""
        while True:
            page = [_flat(record) for record in answer["records"]]
            read += len(page)
            yield page
            if answer["done"]:
                break
            before, here = here, str(answer.get("nextRecordsUrl"))
            _moved(before, here)
            answer = self._more(here)
        if read != total:
            raise SourceUnreachable(
                f"Salesforce gave {read:,} records of a query where it counts {total:,}; refresh "
                "again later."
            )

    def _query(self, soql: str) -> Record:
        return self._session.ask(lambda client: self._whole(client.query(soql, True)))

    def _more(self, path: str) -> Record:
        # It is put behind the host: nothing but a path of the API may stand there.
        if not re.fullmatch(r"/services/data/[\w./-]+", path):
            raise SourceChanged("Salesforce's next page is at an address that we do not know.")
        return self._session.ask(
            lambda client: self._whole(client.query_more(path, identifier_is_url=True))
        )

    def _whole(self, answer: Any) -> Record:
        """An answer that is one; a failed query can come as a success without records."""
        if isinstance(answer, list):
            raise self._session.failures.said(200, answer)
        if not isinstance(answer, dict) or not isinstance(answer.get("records"), list):
            raise broken("without records")
        if "totalSize" not in answer or "done" not in answer:
            raise broken("without a count")
        return answer

    def _by_job(self, soql: str, expected: int) -> Iterator[list[Record]]:
        job, processed = self._finished(soql)
        try:
            if not processed:
                raise SourceUnreachable(
                    f"Salesforce's bulk job gave nothing where it counts {expected:,} records; "
                    "refresh again later."
                )
            locator, read = "", 0
            while locator != "null":
                before = locator
                page, locator = self._results(job, before)
                _moved(before, locator)
                read += len(page)
                yield page
            if read != processed:
                raise SourceUnreachable(
                    f"Salesforce's bulk job gave {read:,} records where it counts {processed:,}; "
                    "refresh again later."
                )
        finally:
            self._forget(job)

    def _finished(self, soql: str) -> tuple[str, int]:
        """A job that is complete, and how many records it made; a failed one is made again."""
        for _attempt in range(JOB_TRIES):
            body = {"operation": "queryAll", "query": soql}
            job = str(self._job("POST", "query", json=body)["id"])
            state, said = self._awaited(job)
            if state == "JobComplete":
                return job, int(said["numberRecordsProcessed"])
            self._forget(job)
            self._give_up_if_hopeless(str(said.get("errorMessage", "")))
        raise SourceUnreachable(
            f"Salesforce ended our bulk job {JOB_TRIES} times ({state}); refresh again later."
        )

    def _give_up_if_hopeless(self, words: str) -> None:
        code, _, message = words.partition(":")
        meaning = self._session.failures.said(
            400, [{"errorCode": code.strip() or "FAILED", "message": message}]
        )
        # A change of shape is what an unknown code means; those are worth another try.
        if isinstance(meaning, SourceError) and not isinstance(meaning, SourceChanged):
            raise meaning

    def _awaited(self, job: str) -> tuple[str, Record]:
        waited, pause = 0.0, 1.0
        while waited < JOB_SECONDS:
            said = self._job("GET", f"query/{job}")
            if said["state"] in ("JobComplete", "Failed", "Aborted"):
                return str(said["state"]), said
            self._session.wait(pause)
            waited, pause = waited + pause, min(2 * pause, LONGEST_LOOK)
        self._forget(job)
        raise SourceUnreachable(
            "Salesforce's bulk job was not done within two hours; refresh again later."
        )

    def _job(self, method: str, path: str, **how: Any) -> Record:
        def call(client: Any) -> Record:
            said = _asked(client, method, path, "application/json", **how).json()
            if not isinstance(said, dict) or "id" not in said or "state" not in said:
                raise broken("without a job")
            return said

        return self._session.ask(call)

    def _results(self, job: str, locator: str) -> tuple[list[Record], str]:
        params = {"maxRecords": str(BULK_PAGE)} | ({"locator": locator} if locator else {})

        def call(client: Any) -> tuple[list[Record], str]:
            answer = _asked(client, "GET", f"query/{job}/results", "text/csv", params=params)
            heads = answer.headers
            # Some fields hold NUL, which no CSV reader takes.
            body = answer.content.replace(b"\x00", b"").decode()
            lines = csv.reader(io.StringIO(body, newline=""))
            names = next(lines, [])
            rows = [dict(zip(names, line, strict=True)) for line in lines]
            if heads.get("Sforce-NumberOfRecords") != str(len(rows)):
                raise broken("a page without all its records")
            return rows, heads.get("Sforce-Locator") or "null"

        return self._session.ask(call)

    def _forget(self, job: str) -> None:
        """Delete a job; one that stays is deleted by Salesforce after a week."""
        try:
            self._session.ask(
                lambda client: _asked(client, "DELETE", f"query/{job}", "application/json")
            )
        except SourceError:
            return


def _asked(client: Any, method: str, path: str, accept: str, **how: Any) -> Any:
    """A call of the Bulk API with the library's own means; its `bulk2` never asks for results
    with deleted records and renews no session.
    """
    from simple_salesforce.util import call_salesforce

    headers = client.headers | {"Accept": accept}
    return call_salesforce(f"{client.bulk2_url}{path}", method, client.session, headers, **how)


def _moved(before: str, after: str) -> None:
    """A place that comes twice would be asked for without end."""
    if before == after:
        raise SourceUnreachable("Salesforce gave a page twice; refresh again later.")


def _lookups(said: Record) -> list[Record]:
    return [field for field in said["fields"] if field.get("relationshipName")]


def _select(asked: Asked) -> str:
    listed = ", ".join(asked.fields)  # as Salesforce itself has named them
    return f"SELECT {listed} FROM {asked.name}"  # noqa: S608


def _between(asked: Asked, since: datetime, until: datetime) -> str:
    only = f" AND {asked.only}" if asked.only else ""
    return f"SystemModstamp >= {_at(since)} AND SystemModstamp < {_at(until)}{only}"


def _at(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03}Z"


def _safe(one: str) -> str:
    """An id, or a key under which a record was made, as it may stand in a query."""
    if not re.fullmatch(r"\w{15,18}|[0-9a-f]{32}", one, re.ASCII):
        raise SourceChanged("Salesforce gave a record a number that is none of its own.")
    return one


def _flat(record: Record) -> Record:
    flat: Record = {}
    for name, value in record.items():
        if name == "attributes":
            continue
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": told for inner, told in _flat(value).items()}
        else:
            flat[name] = value
    return flat
