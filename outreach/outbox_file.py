"""The file that the outbox is: opened under the keys of now, written whole, read by column.

SQLite, made to last: a transaction that ended is on the disk.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import pyarrow as pa

from attribution.errors import Busy
from attribution.keys import keyring
from attribution.paths import Home
from attribution.rehashing import key_name
from outreach.outbox_tables import prepare


class OutboxFile:
    """The outbox of one home folder as a database; made on first use."""

    def __init__(self, home: Home) -> None:
        self._home = home
        home.outreach.touch(mode=0o600)
        self._connection = sqlite3.connect(home.outreach, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000",
                       "secure_delete=ON"):  # fmt: skip
            self._connection.execute(f"pragma {pragma}")
        self._under = keyring(home).names[-1]
        with self._whole():
            behind = key_name(self._connection) != self._under
            prepare(self._connection, keyring(home))
        if behind:
            self.clear_log()

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def clear_log(self) -> None:
        """Leave nothing of what was there before in the log, where it lies until written over."""
        self._connection.execute("pragma wal_checkpoint(truncate)")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and durable when the block ends.

        Raises Busy where another hashing key took over since this outbox was opened.
        """
        with self._whole():
            if key_name(self._connection) != self._under:
                raise Busy("Other keys took over meanwhile. Begin again; nothing was lost.")
            yield self._connection

    @contextmanager
    def _whole(self) -> Iterator[None]:
        self._connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
        """The rows of a query by column."""
        found = self._connection.execute(sql, tuple(values))
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found]

    def table(self, sql: str, values: Sequence[object], schema: pa.Schema) -> pa.Table:
        """The rows of a query as Arrow, in the order and of the types of a schema."""
        found = self._connection.execute(sql, tuple(values))
        parts = []
        while rows := found.fetchmany(200_000):
            columns = list(zip(*rows, strict=True))
            arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
            parts.append(pa.Table.from_arrays(arrays, schema=schema))
        return pa.concat_tables(parts) if parts else schema.empty_table()
