"""One refresh at a time on one server: an advisory lock, held by the connection that publishes.

Where that connection is lost, the lock goes with it, and nothing can be published any more.
"""

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError

from attribution.engines.postgresql_errors import place
from attribution.engines.postgresql_server import engine_for, prove
from attribution.errors import Busy, CaretraceError
from attribution.paths import Home
from attribution.statements import run

_KEY = 7_241_936_180_551_904_317  # any number, and always the same
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
    taken = run(connection, f"select pg_try_advisory_lock({_KEY})").scalar()
    connection.commit()
    if taken:
        return
    try:
        row = run(
            connection,
            "select host, process, to_char(since at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') "
            "from caretrace.holder",
        ).first()
    except DBAPIError:
        row = None  # it is the first refresh of all, and has not written it down yet
    who = "process {1} on {0}, since {2} UTC".format(*row) if row else "an unknown process"
    raise Busy(
        f"Another refresh is running on {place(connection.engine.url)} {who}. Wait for it, or stop "
        "that process."
    )
