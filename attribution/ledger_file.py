"""The file of the ledger: opened to write or only to read, every write one short transaction.

Every write is under a file lock: with several writers SQLite alone answers "database is locked"
under load, and the lock also keeps out the write-ahead-log reset bug of SQLite before 3.51.3.
"""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import pandas as pd
from sqlalchemy import Connection, create_engine, event, inspect
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from attribution.at_rest import lock_file
from attribution.errors import StorageError
from attribution.ledger_tables import METADATA, TABLES
from attribution.paths import Home

_ROOM = 1_000_000  # bytes
# A guard against accidents; `attribution.audit` finds out what was done on purpose.
_ONLY_ADDED = (
    "create trigger if not exists audit_no_{change} before {change} on audit "
    "begin select raise(abort, 'the audit log is only added to'); end"
)


class LedgerFile:
    """The ledger of one home folder; opens (and makes) it on first use.

    Where the home cannot be written, a ledger that is there can still be read.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = home.folder / "ledger.lock"
        with self._sound():
            if home.ledger.is_file() and not (home.writable and os.access(home.ledger, os.W_OK)):
                self._engine = create_engine(
                    "sqlite://", creator=self._connect_to_read, poolclass=NullPool
                )
            else:
                self._open()

    def _open(self) -> None:
        home = self._home
        home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Before SQLite makes it, so that its write-ahead log is as private.
        home.ledger.touch(mode=0o600)
        self._engine = create_engine(f"sqlite:///{home.ledger}")
        event.listen(self._engine, "connect", _durable)
        # Asked for each time: a process killed while it made them leaves some of the tables.
        if not TABLES.keys() <= set(inspect(self._engine).get_table_names()):
            with self._write() as connection:
                METADATA.create_all(connection)
                for change in ("update", "delete"):
                    connection.exec_driver_sql(_ONLY_ADDED.format(change=change))

    def _connect_to_read(self) -> sqlite3.Connection:
        # Reading beside a write-ahead log needs its index; without a log there is nobody who
        # writes, and SQLite must be told so or it tries to make one.
        log = self._home.ledger.with_name(f"{self._home.ledger.name}-wal")
        how = "mode=ro" if log.is_file() else "mode=ro&immutable=1"
        return sqlite3.connect(f"{self._home.ledger.as_uri()}?{how}", uri=True)

    @contextmanager
    def _sound(self) -> Iterator[None]:
        """Say what to do where the file is no ledger or cannot be read."""
        try:
            yield
        except (sqlite3.DatabaseError, DatabaseError) as error:
            reason = getattr(error, "orig", error)
            said = f"{self._home.ledger} cannot be used ({reason})."
            raise StorageError(f"{said} {self._advice(reason)}") from error

    def _advice(self, reason: BaseException) -> str:
        """What helps. Of a file that is not damaged nobody must be told to move it away."""
        if is_damage(reason):
            return (
                "It is damaged: put that of the last backup in its place, or move it away with its "
                "-wal and -shm. Then the next refresh makes a new one, and the history of runs and "
                "publications is lost, as are the audit log, notes, planned reports and whether "
                "sends are held."
            )
        if _code(reason) == sqlite3.SQLITE_FULL or _full(self._home):
            return (
                "The disk is full. Free space, then run it again; `caretrace doctor` says how much "
                "a refresh takes."
            )
        return "Try again; if it fails again, look at the disk and at who may write there."

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with lock_file(self._lock) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self._engine.begin() as connection:
                yield connection

    def _frame(self, statement: object) -> pd.DataFrame:
        with self._sound(), self._engine.connect() as connection:
            return pd.read_sql(statement, connection)  # type: ignore[call-overload,no-any-return]


def is_damage(reason: BaseException | None) -> bool:
    """Whether SQLite blames the file itself, not the disk or whoever else has it open."""
    return _code(reason) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _code(reason: BaseException | None) -> int:
    return getattr(reason, "sqlite_errorcode", 0) & 0xFF  # the rest says more of the same


def _full(home: Home) -> bool:
    """Whether the disk has no room for what SQLite puts beside a file to read it."""
    try:
        return shutil.disk_usage(home.folder).free < _ROOM
    except OSError:
        return False


def _durable(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "busy_timeout=5000",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        cursor.execute(f"pragma {pragma}")
    cursor.close()
