"""The vault: which hashed identifiers are one person, kept from refresh to refresh.

It cannot be rebuilt, so it is a SQLite database and every change is one transaction. Ten million
rows would take minutes to read and write one by one: the map is kept in 256 chunks by the first
byte of the identifier, each two arrays, and a chunk is rewritten when anything in it is new.
"""

import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    create_engine,
    delete,
    event,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import DatabaseError

from attribution.errors import StorageError
from attribution.ledger_file import is_damage
from attribution.paths import Home

Halves = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]
_WRITTEN = np.dtype([("high", ">u8"), ("low", ">u8"), ("person", ">i8")])

_METADATA = MetaData()
_CHUNK = Table(
    "chunk",
    _METADATA,
    Column("first_byte", Integer, primary_key=True),
    Column("rows", LargeBinary, nullable=False),
)
# Hashes of people who were forgotten and of their records, so that nobody brings them back.
FORGOTTEN = Table(
    "forgotten",
    _METADATA,
    Column("target", Text, primary_key=True),  # person, or what kind of record: encounter ...
    Column("identifier", Text, primary_key=True),
    Column("case_id", Text, nullable=False),
)
CASE = Table(
    "forgotten_case",
    _METADATA,
    Column("case_id", Text, primary_key=True),
    Column("begun_at", Text, nullable=False),
    Column("people", Text),  # their numbers (JSON), until nothing of them is left anywhere
    Column("erased_at", Text),  # when that was
)
STAMP = Table("hashed_under", _METADATA, Column("key_name", Text, primary_key=True))
_CHANGE = Table(
    "change",
    _METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("run_id", Text, nullable=False),
    Column("kind", Text, nullable=False),  # merge, split
    Column("from_person", Integer, nullable=False),
    Column("to_person", Integer, nullable=False),
    Column("found_on", Text),
    Column("cause", Text),
)


@dataclass(frozen=True, slots=True)
class Map:
    """Identifiers (the two halves of 16 bytes, in order) and their person numbers."""

    high: Halves
    low: Halves
    person: Numbers

    def __len__(self) -> int:
        return len(self.person)

    def places(self, high: Halves, low: Halves) -> Numbers:
        """Where each of some identifiers stands in this map; -1 where it does not."""
        if not len(self):
            return np.full(len(high), -1, dtype=np.int64)
        place = np.searchsorted(self.high, high)
        inside = np.minimum(place, len(self) - 1)
        # Two identifiers that agree in their first half are next to each other; there are hardly
        # ever any, so few steps are taken.
        while True:
            wrong = (self.high[inside] == high) & (self.low[inside] < low)
            wrong &= inside < len(self) - 1
            if not wrong.any():
                break
            inside[wrong] += 1
        found = (self.high[inside] == high) & (self.low[inside] == low)
        return np.where(found, inside, -1)


class Vault:
    """The identity map that outlives generations; only the refresh opens it."""

    def __init__(self, home: Home) -> None:
        if not home.vault.exists():
            home.vault.touch(mode=0o600)
        self._engine: Engine = create_engine(f"sqlite:///{home.vault}")
        event.listen(self._engine, "connect", _without_traces)
        try:
            _METADATA.create_all(self._engine)
            self._add_columns()
        except DatabaseError as error:
            if not is_damage(error.orig):
                raise
            raise StorageError(
                f"{home.vault} is damaged, and cannot be made again. Restore the last backup into "
                "another home folder (docs/operations.md); what was published still stands."
            ) from error

    def read(self) -> Map:
        """The whole map, in order of identifiers."""
        return next(self.parts(sys.maxsize), _unpacked([]))

    def parts(self, most: int) -> Iterator[Map]:
        """The map in order of identifiers, in parts of a chunk more than so many rows at most."""
        with self._engine.connect() as connection:
            if inspect(connection).has_table("identity"):
                yield _earlier(connection)
                return
            chunks: list[bytes] = []
            for (rows,) in connection.execute(select(_CHUNK.c.rows).order_by(_CHUNK.c.first_byte)):
                chunks.append(rows)
                if sum(map(len, chunks)) >= most * _WRITTEN.itemsize:
                    yield _unpacked(chunks)
                    chunks = []
            if chunks:
                yield _unpacked(chunks)

    def numbers(self) -> pa.Table:
        """Every identifier (16 bytes) with its person number."""
        known = self.read()
        both = np.stack([known.high, known.low], axis=1).astype(">u8")
        identifiers = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), len(known), [None, pa.py_buffer(both.tobytes())]
        )
        return pa.table({"identifier": identifiers, "person_id": known.person})

    def keep(self, run_id: str, news: Iterable[Map], changes: pd.DataFrame) -> None:
        """Remember `news` on top of what was known, and what merged or split: all or nothing."""
        with self._engine.begin() as connection:
            if inspect(connection).has_table("identity"):
                self.replace(connection, _earlier(connection))
            for part in news:
                bounds = _bounds(part)
                for byte in np.flatnonzero(np.diff(bounds)).tolist():
                    whole = _merged(_chunk(connection, byte), _part(part, bounds, byte))
                    connection.exec_driver_sql(
                        "insert or replace into chunk values (?, ?)", (byte, _packed(whole))
                    )
            if len(changes):
                today = datetime.now(UTC).date().isoformat()
                rows = pa.Table.from_pandas(
                    changes.assign(run_id=run_id, found_on=today), preserve_index=False
                )
                connection.execute(insert(_CHANGE), rows.to_pylist())

    def identifiers(self, people: Collection[int]) -> list[str]:
        """The identifiers of some people, as the raw tables write them."""
        known = self.read()
        theirs = np.isin(known.person, np.fromiter(people, dtype=np.int64))
        halves = zip(known.high[theirs].tolist(), known.low[theirs].tolist(), strict=True)
        return [f"{high:016x}{low:016x}" for high, low in halves]

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """A transaction: all that is done in the block, or nothing."""
        with self._engine.begin() as connection:
            yield connection

    def replace(self, connection: Connection, whole: Map) -> None:
        """Put another map, in order of identifiers, in the place of all that is known."""
        if inspect(connection).has_table("identity"):
            connection.exec_driver_sql("drop table identity")
        connection.execute(delete(_CHUNK))
        bounds = _bounds(whole)
        for byte in range(256):
            if bounds[byte] < bounds[byte + 1]:
                rows = _packed(_part(whole, bounds, byte))
                connection.execute(insert(_CHUNK).values(first_byte=byte, rows=rows))

    def remove_changes(self, connection: Connection, people: Collection[int]) -> None:
        """Drop what merged into, or split off from, some people."""
        for column in (_CHANGE.c.from_person, _CHANGE.c.to_person):
            connection.execute(delete(_CHANGE).where(column.in_(people)))

    def compact(self) -> None:
        """Write the file anew, so that what was deleted is in no byte of it."""
        with self._engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("vacuum")

    def changes(self) -> pd.DataFrame:
        """Every merge and split, in the order in which they were found."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(_CHANGE).order_by(_CHANGE.c.number)).fetchall()
        return pd.DataFrame(rows, columns=[column.name for column in _CHANGE.columns])

    def close(self) -> None:
        self._engine.dispose()

    def _add_columns(self) -> None:
        """A vault of an earlier version knows neither days nor causes of changes."""
        with self._engine.begin() as connection:
            present = {column["name"] for column in inspect(connection).get_columns("change")}
            for name in {"found_on", "cause"} - present:
                connection.exec_driver_sql(f"alter table change add column {name} text")


def _without_traces(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("pragma secure_delete=ON")
    cursor.close()


@contextmanager
def open_vault(home: Home) -> Iterator[Vault]:
    """The vault of a home folder, closed when the block ends."""
    vault = Vault(home)
    try:
        yield vault
    finally:
        vault.close()


def _earlier(connection: Connection) -> Map:
    """The map as versions before the chunks kept it: one row an identifier."""
    rows = connection.exec_driver_sql(
        "select identifier, person_id from identity order by identifier"
    ).fetchall()
    halves = np.frombuffer(b"".join(row[0] for row in rows), dtype=">u8").reshape(-1, 2)
    person = np.array([row[1] for row in rows], dtype=np.int64)
    return Map(halves[:, 0].astype(np.uint64), halves[:, 1].astype(np.uint64), person)


def _chunk(connection: Connection, byte: int) -> Map:
    """What is kept of the identifiers that begin with this byte."""
    rows = connection.execute(select(_CHUNK.c.rows).where(_CHUNK.c.first_byte == byte))
    return _unpacked([row[0] for row in rows])


def _unpacked(chunks: Sequence[bytes]) -> Map:
    every = np.frombuffer(b"".join(chunks), dtype=_WRITTEN)
    return Map(
        every["high"].astype(np.uint64),
        every["low"].astype(np.uint64),
        every["person"].astype(np.int64),
    )


def _bounds(known: Map) -> Numbers:
    """Where the chunk of each first byte begins; and the end."""
    firsts = np.arange(256, dtype=np.uint64) << np.uint64(56)
    return np.append(np.searchsorted(known.high, firsts), len(known))


def _part(known: Map, bounds: Numbers, byte: int) -> Map:
    among = slice(int(bounds[byte]), int(bounds[byte + 1]))
    return Map(known.high[among], known.low[among], known.person[among])


def _merged(known: Map, news: Map) -> Map:
    """Both, in order; what is in both has the new number."""
    person = known.person.copy()
    place = known.places(news.high, news.low)
    person[place[place >= 0]] = news.person[place >= 0]
    fresh = place < 0
    high = np.concatenate([known.high, news.high[fresh]])
    low = np.concatenate([known.low, news.low[fresh]])
    order = np.lexsort((low, high))
    return Map(high[order], low[order], np.concatenate([person, news.person[fresh]])[order])


def _packed(whole: Map) -> bytes:
    rows = np.empty(len(whole), dtype=_WRITTEN)
    rows["high"], rows["low"], rows["person"] = whole.high, whole.low, whole.person
    return rows.tobytes()
