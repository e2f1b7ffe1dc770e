"""One refresh at a time on one server: an advisory lock, held by the connection that publishes.

Where that connection is lost, the lock goes with it, and nothing can be published any more. Nor is
anything written: other connections of a refresh prove that the lock is still its own, and show that
they are at work to whoever takes it next.
"""

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import Any

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from attribution.engines.postgresql_errors import place
from attribution.engines.postgresql_server import engine_for, prove
from attribution.errors import Busy, CaretraceError, StorageError
from attribution.paths import Home
from attribution.statements import run

_KEY = 7_241_936_180_551_904_317  # any number, and always the same
_AT_WORK = _KEY + 1  # held by each connection that writes, beside others of its refresh
_GRACE = 10.0  # seconds for a server to see that those of a refresh that was killed are gone
_HELD: dict[tuple[Home, URL], Connection] = {}


@contextmanager
def holding(home: Home, url: URL, books: Sequence[str]) -> Iterator[Connection]:
    """The connection that holds the lock, outside of a transaction; raises Busy with who has it."""
    if (home, url) in _HELD:
        yield _HELD[home, url]
        return
    engine = engine_for(url)
    try:
        with engine.connect() as connection:
            _take(connection)
            prove(connection)
            with transaction(connection):
                for statement in books:
                    run(connection, statement)
                run(connection, "delete from caretrace.holder")
                connection.exec_driver_sql(
                    "insert into caretrace.holder values (?, ?, current_timestamp)",
                    (platform.node(), os.getpid()),
                )
            _HELD[home, url] = connection
            try:
                yield connection
            finally:
                del _HELD[home, url]
                _release(connection)
    finally:
        engine.dispose()


def bind(engine: Engine, home: Home, url: URL) -> None:
    """Let an engine open connections only for as long as the lock is kept that is held here now.

    Where none is held, it goes on as it is.
    """
    if (home, url) not in _HELD:
        return
    lock: Any = _HELD[home, url].connection.driver_connection
    process = lock.info.backend_pid

    def prove_ours(driver: Any, _record: Any) -> None:
        driver.execute(f"select pg_advisory_lock_shared({_AT_WORK})")
        held = driver.execute(
            f"select count(*) from pg_locks where locktype = 'advisory' and pid = {process} "
            f"and objsubid = 1 and (classid::bigint << 32) | objid::bigint = {_KEY} and granted"
        ).fetchone()
        driver.commit()
        if not held[0]:
            raise StorageError(
                f"The lock on {place(url)} was lost, so another refresh may be at work there. Run "
                "this again. What was published still stands."
            )

    event.listen(engine, "connect", prove_ours)


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """A transaction of its own, whatever was only read before."""
    connection.commit()
    with connection.begin():
        yield


def _release(connection: Connection) -> None:
    """Free the lock: a server notices later that a connection was closed, and the next would wait.

    Where the connection is lost, so is the lock.
    """
    if connection.invalidated:
        return
    with suppress(DBAPIError, CaretraceError):
        connection.rollback()
        run(connection, f"select pg_advisory_unlock({_KEY})")
        connection.commit()


def _take(connection: Connection) -> None:
    where = place(connection.engine.url)
    if not _got(connection, _KEY):
        raise Busy(
            f"Another refresh is running on {where} {_holder(connection)}. Wait for it, or stop "
            "that process."
        )
    ends = monotonic() + _GRACE
    while not _got(connection, _AT_WORK):
        if monotonic() > ends:
            who = _holder(connection)
            _release(connection)
            raise Busy(
                f"A refresh that has lost its lock is still at work on {where} {who}. It will "
                "publish nothing. Wait for it to end, or stop that process."
            )
        sleep(0.05)
    run(connection, f"select pg_advisory_unlock({_AT_WORK})")
    connection.commit()


def _got(connection: Connection, key: int) -> bool:
    got = bool(run(connection, f"select pg_try_advisory_lock({key})").scalar())
    connection.commit()
    return got


def _holder(connection: Connection) -> str:
    """Who took the lock last."""
    try:
        row = run(
            connection,
            "select host, process, to_char(since at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') "
            "from caretrace.holder",
        ).first()
    except DBAPIError:
        row = None  # it is the first refresh of all, and has not written it down yet
    return "process {1} on {0}, since {2} UTC".format(*row) if row else "an unknown process"
