"""The contact store: addresses and record numbers, sealed, for those who send and nobody else.

Everything else knows people by keyed hashes, so that nothing in the warehouse could be written to.
Where outreach is switched on, the door keeps what sending needs here: under the hash of a record
(a patient's, a CRM contact's) its e-mail, its phone and its own number, each sealed with
AES-256-GCM (NIST SP 800-38D) under a key derived from the installation's, which lies in none of
the databases.
No name is ever kept. Only the sender opens what is sealed; pages and reports cannot.
"""

import hmac
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from threading import Lock

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from attribution.errors import Busy, StorageError
from attribution.keys import Keyring, keyring
from attribution.normal import phone
from attribution.outreach_ways import ADDRESS
from attribution.paths import Home
from attribution.privacy import linked
from attribution.rehashing import key_name, note_key, pending
from connectors.contract import Contact, Person, Row

# Whose record, which column is the record's own number, and what it is called here.
KEPT: dict[type[Row], tuple[str, str]] = {
    Person: ("patient_id", "patient"),
    Contact: ("contact_id", "contact"),
}
RECORD, EMAIL, PHONE = "record", "email", "phone"
_NONCE = 12
_TABLE = """
create table if not exists address (
    owner text not null,
    kind text not null,
    source text not null,
    of text not null,
    identifier text not null,
    sealed blob not null,
    primary key (owner, kind, source)
) without rowid
"""
# Of slices that are being read; in a file of this process's own, sealed like the rest.
_ARRIVING = """
create temp table arriving (
    slice integer not null, arrival integer not null, owner text not null, kind text not null,
    source text not null, of text not null, identifier text, sealed blob
);
create index temp.arriving_slice on arriving (slice);
create temp table loaded (arrival integer primary key);
"""


@dataclass(frozen=True, slots=True)
class Address:
    """Where one thing that a person can be reached by lies: it is not the thing itself."""

    owner: str  # hash of the record's number
    kind: str
    source: str


class Contacts:
    """The store of one home folder; made on first use."""

    def __init__(self, home: Home, ring: Keyring | None = None) -> None:
        ring = ring or keyring(home)
        self._under = ring.names[-1]
        self._seal = AESGCM(contacts_key(ring.hashing[-1]))
        self._path = home.contacts
        self._lock = Lock()
        home.contacts.touch(mode=0o600)
        # Sources are loaded in threads of their own; the lock takes them one at a time.
        self._connection = sqlite3.connect(home.contacts, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000",
                       "secure_delete=ON"):  # fmt: skip
            self._connection.execute(f"pragma {pragma}")
        self._connection.execute(_TABLE)
        self._connection.executescript(_ARRIVING)
        self._slices = count()
        self._bring_up(ring)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> "Contacts":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def keep(
        self, source: str, row: type[Row], clear: pa.Table, hashed: pa.Table, region: str
    ) -> None:
        """Seal what some rows say of how their person is reached.

        What a record no longer has is taken out, and so is all of a record that was deleted or
        whose person has died. Rows of other kinds are left alone.
        """
        slice_, arrivals = self.arriving(), range(len(hashed))
        hashed = hashed.append_column("arrival", pa.array(arrivals, pa.int64()))
        self.arrive(slice_, source, row, clear, hashed, region)
        self.loaded(slice_, arrivals)

    def arriving(self) -> int:
        """A number for a slice whose rows arrive."""
        return next(self._slices)

    def arrive(
        self, slice_: int, source: str, row: type[Row], clear: pa.Table, hashed: pa.Table,
        region: str,
    ) -> None:  # fmt: skip
        """Seal the same of rows that arrive, and set it aside until it is said which are loaded.

        A source may tell of a record again as it was before, which is then not loaded.
        """
        if row not in KEPT:
            return
        number, of = KEPT[row]
        owners = hashed.column(number).to_pylist()
        arrivals = hashed.column("arrival").to_pylist()
        gone = clear.column("deceased" if row is Person else "deleted").to_pylist()
        said: list[tuple[int, int, str, str, str, str, str | None, bytes | None]] = []
        for kind, column in ((RECORD, number), (EMAIL, EMAIL), (PHONE, PHONE)):
            values, hashes = clear.column(column).to_pylist(), hashed.column(column).to_pylist()
            for arrival, owner, value, known, over in zip(
                arrivals, owners, values, hashes, gone, strict=True
            ):
                if owner is None:
                    continue
                text = None if over or not known else _sendable(kind, value, region)
                sealed = None if text is None else self._sealed(owner, kind, text)
                said.append((slice_, arrival, owner, kind, source, of, known, sealed))
        with self._lock, self._connection as connection:
            connection.executemany("insert into arriving values (?, ?, ?, ?, ?, ?, ?, ?)", said)

    def loaded(self, slice_: int, arrivals: Iterable[int]) -> None:
        """Keep what was set aside of those rows of a slice that are loaded, and nothing else."""
        with self._lock, self._connection as connection:
            connection.executemany("insert into loaded values (?)", ((one,) for one in arrivals))
            connection.execute(
                "delete from address where (owner, kind, source) in "
                "(select owner, kind, source from arriving inner join loaded using (arrival) "
                "where slice = ? and sealed is null)",
                (slice_,),
            )
            connection.execute(
                "insert or replace into address select owner, kind, source, of, identifier, sealed "
                "from arriving inner join loaded using (arrival) "
                "where slice = ? and sealed is not null",
                (slice_,),
            )
            connection.execute("delete from loaded")
            connection.execute("delete from arriving where slice = ?", (slice_,))

    def left(self, slice_: int) -> None:
        """Drop what was set aside of a slice of which nothing more is loaded."""
        with self._lock, self._connection as connection:
            connection.execute("delete from arriving where slice = ?", (slice_,))

    def places(self, kinds: Sequence[str]) -> pa.Table:
        """Who can be reached how: owner, kind, source, of, identifier. Nothing is opened."""
        names = ("owner", "kind", "source", "of", "identifier")
        parts: list[pa.Table] = []
        marks = ", ".join("?" for _ in kinds)
        with self._lock:
            found = self._connection.execute(
                f"select {', '.join(names)} from address where kind in ({marks})",  # noqa: S608
                tuple(kinds),
            )
            while rows := found.fetchmany(200_000):
                columns = zip(*rows, strict=True)
                parts.append(pa.table(dict(zip(names, map(list, columns), strict=True))))
        empty = pa.table({name: pa.array([], pa.string()) for name in names})
        return pa.concat_tables(parts) if parts else empty

    def reveal(self, asked: Iterable[Address]) -> dict[Address, str]:
        """Open some addresses; those that are gone are left out."""
        found: dict[Address, str] = {}
        with self._lock:
            if key_name(self._connection) != self._under:
                raise Busy("Other keys took over meanwhile. Begin again; nothing was lost.")
            for one in asked:
                row = self._connection.execute(
                    "select sealed from address where owner = ? and kind = ? and source = ?",
                    (one.owner, one.kind, one.source),
                ).fetchone()
                if row is not None:
                    found[one] = self._opened(one.owner, one.kind, row[0])
        return found

    def forget(self, owners: Iterable[str]) -> int:
        """Take out all that is kept under these records' hashes; how much that was."""
        return self._taken_out("owner = ?", ((owner,) for owner in owners))

    def drop(self, records: Iterable[tuple[str, str]], of: str) -> int:
        """Take out what some sources said of some records (hash, source); how much that was."""
        rows = ((owner, source, of) for owner, source in records)
        return self._taken_out("owner = ? and source = ? and of = ?", rows)

    def _taken_out(self, where: str, rows: Iterable[tuple[str, ...]]) -> int:
        with self._lock, self._connection as connection:
            before = connection.total_changes
            connection.executemany(f"delete from address where {where}", rows)  # noqa: S608
            gone = connection.total_changes - before
        # Pages of before lie in the log until it is written over.
        with self._lock:
            self._connection.execute("pragma wal_checkpoint(truncate)")
        return gone

    def _bring_up(self, ring: Keyring) -> None:
        """Let what is kept follow the hashing key: owners and what is sealed; all or nothing.

        A store without a note was sealed under the first key, whichever its hashes are under.
        """
        noted = key_name(self._connection)
        if noted == self._under:
            return
        with self._lock, self._connection as connection:
            connection.execute("begin immediate")
            keys, noted = pending(connection, ring), key_name(connection)
            sealed_under = ring.hashing[ring.names.index(noted)] if noted else ring.hashing[0]
            if noted != self._under and sealed_under != ring.hashing[-1]:
                self._rewrite(connection, AESGCM(contacts_key(sealed_under)), keys)
            note_key(connection, self._under)
        # What was there before must not stay in the log.
        self._connection.execute("pragma wal_checkpoint(truncate)")

    def _rewrite(
        self, connection: sqlite3.Connection, before: AESGCM, keys: Sequence[bytes]
    ) -> None:
        rows = connection.execute("select * from address").fetchall()
        connection.execute("delete from address")
        owners, identifiers = linked(keys, [r[0] for r in rows]), linked(keys, [r[4] for r in rows])
        connection.executemany(
            "insert into address values (?, ?, ?, ?, ?, ?)",
            (
                (owner, kind, source, of, identifier,
                 self._sealed(str(owner), kind, self._opened(old, kind, sealed, before)))
                for (old, kind, source, of, _, sealed), owner, identifier in zip(
                    rows, owners, identifiers, strict=True
                )
            ),
        )  # fmt: skip

    def _sealed(self, owner: str, kind: str, text: str) -> bytes:
        return _sealed(self._seal, owner, kind, text)

    def _opened(self, owner: str, kind: str, sealed: bytes, seal: AESGCM | None = None) -> str:
        try:
            plain = (seal or self._seal).decrypt(
                sealed[:_NONCE], sealed[_NONCE:], _bound(owner, kind)
            )
        except InvalidTag:
            raise StorageError(
                f"{self._path} was sealed with another key. Put that key back, or delete the file "
                "and load the sources anew."
            ) from None
        return plain.decode()


@contextmanager
def kept(home: Home, *, wanted: bool) -> Iterator[Contacts | None]:
    """The store where it is wanted; None elsewhere."""
    if not wanted:
        yield None
        return
    with Contacts(home) as contacts:
        yield contacts


def forget(home: Home, owners: Iterable[str]) -> int:
    """Take some records' addresses out of a home's store, if it has one."""
    if not home.contacts.is_file():
        return 0
    with Contacts(home) as contacts:
        return contacts.forget(owners)


def contacts_key(key: bytes) -> bytes:
    """The key that seals addresses, from the installation's own."""
    return hmac.digest(key, b"caretrace contact store", "sha256")


def _sealed(seal: AESGCM, owner: str, kind: str, text: str) -> bytes:
    nonce = os.urandom(_NONCE)
    # Bound to its place, so that nobody can give one person another's address.
    return nonce + seal.encrypt(nonce, text.encode(), _bound(owner, kind))


def _bound(owner: str, kind: str) -> bytes:
    return f"{owner}\x1f{kind}".encode()


def _sendable(kind: str, value: str, region: str) -> str | None:
    """How an address is written to send to it; None where that cannot be done."""
    if kind == PHONE:
        number = phone(value, region)
        return None if number is None or ";" in number else number
    text = value.strip()
    if kind == EMAIL and not ADDRESS.fullmatch(text):
        return None
    return text
