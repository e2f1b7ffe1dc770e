"""FHIR by bulk export: a job at the server, looked at until it is done, then read file by file.

The job's address is a cursor of its own slice: after a crash the next refresh goes on waiting for
the same job. The time up to which an export reaches is the server's, and the next one's beginning.
"""

import gzip
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Any, BinaryIO

from connectors.errors import (
    SourceBusy,
    SourceChanged,
    SourceError,
    SourceRefused,
    SourceUnreachable,
)
from connectors.fhir_api import VENDOR, Api, deletions, exact
from connectors.fhir_lookup import Lookup
from connectors.fhir_reading import Reading
from connectors.fhir_resources import KINDS, POINTED_AT, ROWS, deleted
from connectors.patience import retry_after
from connectors.rest import Answer
from connectors.source import Cursor, Item, Rejected, Slice

JOB_SECONDS = 4 * 3600.0  # a refresh waits this long; the next one goes on
_FIRST_LOOK, _MOST_PAUSE = 2.0, 60.0
_BATCH = 500
_LONGEST_LINE = 64 << 20
_CURSOR = "bulk"
# What others point at comes first, so that little of it has to be asked for.
_ORDER = (*POINTED_AT, "Patient")


@dataclass(frozen=True, slots=True)
class Job:
    """An export that was asked for: from when it reaches, and where the server tells of it.

    `gone_since` is from when deletions are yet to be told: a whole export tells none.
    """

    key: str
    since: str | None
    address: str | None
    gone_since: str | None = None

    def cursor(self) -> Cursor:
        """What is remembered of it."""
        said = {"key": self.key, "since": self.since, "job": self.address}
        if self.gone_since:
            said["gone_since"] = self.gone_since
        return Cursor(json.dumps(said, sort_keys=True))


class Bulk:
    """The exports of one server."""

    def __init__(
        self, api: Api, reading: Reading, lookup: Lookup, path: str, type_filter: str | None
    ) -> None:
        self._api, self._reading, self._lookup = api, reading, lookup
        self._path, self._filter = path, type_filter
        self._key = f"{reading.key}:{path}:{type_filter or ''}"
        self._job = Job(self._key, None, None)

    def slices(self, cursors: Mapping[str, str]) -> Iterator[Slice]:
        """Asking for an export, unless one is under way, and reading it."""
        self._job = self._remembered(cursors.get(_CURSOR))
        yield from self._export()
        if self._job.gone_since:
            self._job = Job(self._key, self._job.gone_since, None)
            yield from self._export()

    def _export(self) -> Iterator[Slice]:
        if self._job.address is None or not self._is_known(self._job.address):
            yield Slice("export asked for", (), _CURSOR, self._start)
        yield Slice("export", ROWS, _CURSOR, self._read, after_commit=self._forget)

    def _remembered(self, cursor: str | None) -> Job:
        with suppress(ValueError, TypeError):
            said = json.loads(cursor or "")
            gone_since = said.get("gone_since")
            if said["key"] == self._key:
                return Job(self._key, said["since"], said["job"], gone_since)
            # All is exported anew, and then once more what changed since, deletions with it.
            return Job(self._key, None, None, said["since"] or gone_since)
        return Job(self._key, None, None)

    def _is_known(self, address: str) -> bool:
        """Whether the server still knows a job; one that failed there is asked for anew."""
        try:
            status = self._api.ask(
                "export", address, headers={"accept": "application/json"},
                expected=(200, 202, 404, 410, 429, 500), read=lambda answer: answer.status,
            )  # fmt: skip
        except SourceChanged:
            return False
        return status in (200, 202, 429)

    def _start(self) -> Iterator[Item]:
        asked = {"_outputFormat": "application/fhir+ndjson"}
        if self._job.since:
            asked["_since"] = self._job.since
        if self._filter:
            asked["_typeFilter"] = self._filter
        self._job = replace(self._job, address=self._asked(asked))
        yield self._job.cursor()

    def _asked(self, asked: Mapping[str, str]) -> str:
        """Ask for an export, and again for less where the server refuses it as it was asked for.

        Some export whole resources only, and some do not have, or let us see, what others point
        at: then places keep the name that their references show.
        """
        *more, least = (
            {"_type": ",".join(kinds), **asked, **elements}
            for kinds in ([*POINTED_AT, *self._reading.kinds], [*self._reading.kinds])
            for elements in ({"_elements": _elements(kinds)}, {})
        )
        for each in more:
            with suppress(SourceChanged, SourceRefused):
                return self._ask(each)
        return self._ask(least)

    def _ask(self, asked: Mapping[str, str]) -> str:
        return self._api.ask(
            "export", self._path, params=asked, expected=(202,), read=_address,
            headers={"prefer": "respond-async, handling=lenient"},
        )  # fmt: skip

    def _read(self) -> Iterator[Item]:
        manifest = self._finished(str(self._job.address))
        reached = manifest.get("transactionTime")
        if not isinstance(reached, str):
            raise SourceChanged(f"{VENDOR}'s export does not say up to when it reaches.")
        self._no_errors(manifest)
        files = sorted(
            _files(manifest, "output"),
            key=lambda f: _ORDER.index(f["type"]) if f["type"] in _ORDER else len(_ORDER),
        )
        for file in files:
            if file["type"] in (*POINTED_AT, *self._reading.kinds):
                yield from self._rows(manifest, file)
        for file in _files(manifest, "deleted"):
            yield from self._deleted(manifest, file, datetime.fromisoformat(reached))
        yield Job(self._key, self._job.gone_since or reached, None).cursor()

    def _rows(self, manifest: Mapping[str, Any], file: Mapping[str, Any]) -> Iterator[Item]:
        kind, number = str(file["type"]), 1
        with self._file(manifest, file) as stream:
            lines = _lines(stream)
            while batch := list(islice(lines, _BATCH)):
                found = [said if said is not None else {} for said in batch]
                for place, said in enumerate(found, start=number):
                    if "resourceType" not in said:
                        yield Rejected(kind, place, "resourceType", "", "is not a FHIR resource")
                    self._lookup.note(said)
                yield from self._lookup.rows(found, kind, number)
                number += len(batch)

    def _deleted(
        self, manifest: Mapping[str, Any], file: Mapping[str, Any], at: datetime
    ) -> Iterator[Item]:
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        with self._file(manifest, file) as stream:
            for bundle in _lines(stream):
                for kind, own, _ in deletions(bundle or {}):
                    yield from deleted(kind, own, at, by_id=self._reading.system is None)

    def _no_errors(self, manifest: Mapping[str, Any]) -> None:
        """Refuse an export that says that something is missing from it."""
        for file in _files(manifest, "error"):
            with self._file(manifest, file) as stream:
                for said in _lines(stream):
                    severities = {issue.get("severity") for issue in (said or {}).get("issue", ())}
                    if severities & {"error", "fatal"}:
                        raise SourceChanged(
                            f"{VENDOR} could not export everything that was asked for, so nothing "
                            "was loaded; its log says why. The next refresh asks again."
                        )

    def _file(self, manifest: Mapping[str, Any], file: Mapping[str, Any]) -> BinaryIO:
        return self._api.download(
            str(file["type"]), str(file["url"]), partial(_is_whole, count=file.get("count")),
            public=manifest.get("requiresAccessToken") is False,
        )  # fmt: skip

    def _finished(self, address: str) -> dict[str, Any]:
        """What the server says of a job once it is done."""
        deadline, pause = time.monotonic() + JOB_SECONDS, _FIRST_LOOK
        while True:
            answer = self._api.ask(
                "export", address, headers={"accept": "application/json"},
                expected=(200, 202, 429, 500, 503), read=_looked_at,
            )  # fmt: skip
            if answer.status == 200:
                return exact(answer)
            if answer.status == 500:
                raise SourceUnreachable(
                    f"{VENDOR} could not make its export; the next refresh asks for another."
                )
            wait = retry_after(answer.headers)
            if time.monotonic() > deadline or (wait or 0) > JOB_SECONDS:
                raise SourceBusy(
                    f"{VENDOR} is still making its export; the next refresh goes on waiting for it."
                )
            self._api.patience.sleep(pause if wait is None else wait)
            pause = min(2 * pause, _MOST_PAUSE)

    def _forget(self) -> None:
        """Let the server delete the files; it will by itself if it does not hear us."""
        with suppress(SourceError):
            self._api.ask("export", str(self._job.address), method="DELETE",
                          expected=(200, 202, 204, 404), read=lambda _: None)  # fmt: skip


def _elements(kinds: list[str]) -> str:
    named = [f"{kind}.{element}" for kind in kinds for element in
             ("id", "meta", *(POINTED_AT.get(kind) or KINDS[kind].elements))]  # fmt: skip
    return ",".join(named)


def _address(answer: Answer) -> str:
    address = answer.headers.get("content-location")
    if not address:
        raise ValueError
    return address


def _looked_at(answer: Answer) -> Answer:
    if answer.status == 200:
        exact(answer)  # a manifest that is cut short is asked for again
    return answer


def _files(manifest: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    listed = manifest.get(name)
    return [
        file
        for file in (listed if isinstance(listed, list) else [])
        if isinstance(file, dict) and isinstance(file.get("url"), str) and file.get("type")
    ]


def _is_whole(stream: BinaryIO, count: object) -> None:
    """Raise a ValueError for a file whose end is missing, or that has fewer lines than counted."""
    lines, last = 0, b"\n"
    try:
        for line in _unpacked(stream):
            lines += bool(line.strip())
            last = line
    except EOFError:
        raise ValueError from None
    if not last.endswith(b"\n"):
        json.loads(last)
    if isinstance(count, int) and lines != count:
        raise ValueError


def _lines(stream: BinaryIO) -> Iterator[dict[str, Any] | None]:
    """One resource a line; None for a line that is none."""
    for line in _unpacked(stream):
        if not line.strip():
            continue
        try:
            said = json.loads(line, parse_float=Decimal)
        except (ValueError, RecursionError):
            said = None
        yield said if isinstance(said, dict) else None


def _unpacked(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a file that may be packed, whatever its name and headers say."""
    stream.seek(0)
    packed = stream.read(2) == b"\x1f\x8b"
    stream.seek(0)
    source: Any = gzip.GzipFile(fileobj=stream) if packed else stream
    while line := source.readline(_LONGEST_LINE):
        yield line
