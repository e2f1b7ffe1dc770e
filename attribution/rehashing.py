"""Hashing anew: what is stored follows the hashing key when another one takes over.

Stored hashes go through the new key as they are, and so do those that the door makes from then on:
the same value still has the same hash everywhere, and nobody needs the values to do it. Each store
notes the key that it is under; whatever is behind is brought up before it is used.
"""

import sqlite3
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, delete, insert, select, update

from attribution.errors import StorageError
from attribution.keys import Keyring
from attribution.privacy import linked, stored_fields
from attribution.raw import columns, has_person, replace_texts
from attribution.vault import FORGOTTEN, STAMP, Map, Vault
from connectors.contract import ROWS, Row

_TABLE = "hashed_under"


def bring_up(connection: Connection, ring: Keyring) -> bool:
    """Hash what the raw tables hold under the newest key; returns whether there was need to."""
    connection.exec_driver_sql(f"create table if not exists {_TABLE} (key_name varchar)")
    found = connection.exec_driver_sql(f"select key_name from {_TABLE}").scalar()
    behind = _behind(ring, None if found is None else str(found))
    if found is None or behind:
        connection.exec_driver_sql(f"delete from {_TABLE}")
        connection.exec_driver_sql(f"insert into {_TABLE} values (?)", (ring.names[-1],))
    if not behind:
        return False

    def anew(hashes: pa.Array) -> pa.Array:
        return pa.array(linked(behind, hashes.to_pylist()), pa.string())

    for row in ROWS:
        replace_texts(connection, f"raw_{row.spec.table}", _hashed(row), anew)
    replace_texts(connection, "raw_rejected", ["record"], anew)
    return True


def stamp(connection: Connection) -> str | None:
    """The key that a private store says it is under; None where it is of an earlier version."""
    if not columns(connection, _TABLE):
        return None
    found = connection.exec_driver_sql(f"select key_name from {_TABLE}").scalar()
    return None if found is None else str(found)


def key_name(connection: sqlite3.Connection) -> str | None:
    """The key that a SQLite store of outreach says it is under; None where it has no note yet."""
    row = connection.execute(
        f"select 1 from sqlite_master where type = 'table' and name = '{_TABLE}'"
    ).fetchone()
    found = connection.execute(f"select key_name from {_TABLE}").fetchone() if row else None
    return None if found is None else str(found[0])


def note_key(connection: sqlite3.Connection, name: str) -> None:
    """Note the key that a SQLite store of outreach is under from now on."""
    connection.execute(f"create table if not exists {_TABLE} (key_name text not null)")
    if key_name(connection) != name:
        connection.execute(f"delete from {_TABLE}")
        connection.execute(f"insert into {_TABLE} values (?)", (name,))


def pending(connection: sqlite3.Connection, ring: Keyring) -> Sequence[bytes]:
    """The keys that a SQLite store of outreach has yet to go through.

    One without a note is of a version that refused to hash anew beside it: it is under the newest.
    """
    return _behind(ring, key_name(connection) or ring.names[-1])


def bring_up_table(
    connection: sqlite3.Connection, ring: Keyring, table: str, columns: Sequence[str]
) -> None:
    """Hash some columns of a table anew where it is behind; the caller notes the key."""
    keys = pending(connection, ring)
    if not keys:
        return
    for column in columns:
        known = connection.execute(
            f"select distinct {column} from {table} where {column} <> ''"
        ).fetchall()
        before = [row[0] for row in known]
        connection.execute("create temp table anew (before text primary key, after text)")
        connection.executemany(
            "insert into anew values (?, ?)", zip(before, linked(keys, before), strict=True)
        )
        connection.execute(
            f"update {table} set {column} = (select after from anew where before = {column}) "
            f"where {column} in (select before from anew)"
        )
        connection.execute("drop table anew")


def bring_up_vault(vault: Vault, ring: Keyring) -> bool:
    """Hash the map and the tombstones under the newest key; returns whether there was need to."""
    with vault.changing() as connection:
        found = connection.execute(select(STAMP.c.key_name)).scalar()
    behind = _behind(ring, found)
    if found is not None and not behind:
        return False
    known = vault.read() if behind else None
    with vault.changing() as connection:
        if known is not None:
            vault.replace(connection, _anew(known, behind))
            for target, before in connection.execute(
                select(FORGOTTEN.c.target, FORGOTTEN.c.identifier)
            ).fetchall():
                [after] = linked(behind, [before])
                connection.execute(
                    update(FORGOTTEN)
                    .where(FORGOTTEN.c.target == target, FORGOTTEN.c.identifier == before)
                    .values(identifier=after)
                )
        connection.execute(delete(STAMP))
        connection.execute(insert(STAMP).values(key_name=ring.names[-1]))
    if behind:
        vault.compact()
    return bool(behind)


def _behind(ring: Keyring, found: str | None) -> Sequence[bytes]:
    """The keys that a store has yet to go through; one without a note is under the first."""
    if found is None:
        return ring.hashing[1:]
    if found not in ring.names:
        raise StorageError(
            "What is stored was hashed under another key, so nothing new would join with it. Put "
            "the files key and keyring back from a backup of the same day, or set CARETRACE_KEY."
        )
    return ring.hashing[ring.names.index(found) + 1 :]


def _hashed(row: type[Row]) -> list[str]:
    own = [spec.name for spec in stored_fields(row) if spec.identifier is not None]
    return [*own, "identifier"] if has_person(row) else own


def _anew(known: Map, keys: Sequence[bytes]) -> Map:
    before = np.stack([known.high, known.low], axis=1).astype(">u8").tobytes()
    texts = (before[place : place + 16].hex() for place in range(0, len(before), 16))
    after = bytes.fromhex("".join(each or "" for each in linked(keys, texts)))
    halves = np.frombuffer(after, dtype=">u8").reshape(-1, 2).astype(np.uint64)
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    return Map(halves[order, 0], halves[order, 1], known.person[order])
