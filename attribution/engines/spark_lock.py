"""One refresh at a time on one catalog: a database that only one of two can create.

A catalog knows neither locks nor transactions. But `create database` of a name that is there is
refused, in Hive's metastore, Glue and Unity Catalog as in memory; so whoever creates
`caretrace_lock` has the lock, and its properties say who that is. A connection that is lost does
not take it along: the holder gives a sign of life each minute, by the server's clock, and one of
whom nothing was heard for a quarter of an hour is passed over. What it would publish then is
refused, unless it asked in the moment before.
"""

import os
import platform
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event, Lock, Thread

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError

from attribution.engines.spark_arrow import in_words
from attribution.engines.spark_server import engine_for, place, prefix
from attribution.engines.spark_server import prove as prove_server
from attribution.errors import Busy, StorageError
from attribution.nameplate import nameplate
from attribution.paths import Home
from attribution.statements import run

BEAT = 60.0  # seconds from one sign of life to the next
SILENCE = 900.0  # seconds after which a holder counts as gone
# No word in which Spark suspects a secret ("token"), or it would not tell the value.
_SAID = re.compile(r"caretrace\.lock\.(\w+),\s*([^()]*)\)")


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who has the lock: a mark of that one time, a home folder, a process, its last sign of life.

    `seen` and `now` are seconds since 1970 by the server's clock.
    """

    mark: str
    home: str
    who: str
    seen: float
    now: float


@dataclass(slots=True)
class _Held:
    """A lock that this process has; its heart and the refresh share the connection in turns."""

    connection: Connection
    mark: str
    turn: Lock

    def stands(self) -> bool:
        with self.turn:
            holder = _holder(self.connection)
        return holder is not None and holder.mark == self.mark

    def beat(self, over: Event) -> None:
        """Give signs of life; where the server is not there, the refresh hears of it itself."""
        while not over.wait(BEAT):
            with suppress(DBAPIError, StorageError):
                if self.stands():
                    with self.turn:
                        run(
                            self.connection,
                            f"alter database {_name()} set dbproperties "
                            f"('caretrace.lock.seen' = '{_now(self.connection)}')",
                        )

    def let_go(self) -> None:
        with suppress(DBAPIError, StorageError):
            if self.stands():
                run(self.connection, f"drop database if exists {_name()} cascade")


_HELD: dict[tuple[Home, URL], _Held] = {}


@contextmanager
def holding(home: Home, url: URL) -> Iterator[None]:
    """Have the catalog's lock for the length of a block; raises Busy with who has it.

    Whoever asks holds the home folder's own lock already.
    """
    engine = engine_for(url)
    try:
        with engine.connect() as connection:
            with in_words():
                prove_server(connection, url)
                held = _Held(connection, _take(connection, home, url), Lock())
            over = Event()
            heart = Thread(target=held.beat, args=(over,), daemon=True)
            heart.start()
            _HELD[home, url] = held
            try:
                yield
            finally:
                del _HELD[home, url]
                over.set()
                heart.join()
                held.let_go()
    finally:
        engine.dispose()


def prove(home: Home, url: URL) -> None:
    """Raise StorageError where the lock that this process took was passed to another since."""
    held = _HELD.get((home, url))
    if held is None:
        return
    with in_words():
        stands = held.stands()
    if not stands:
        raise StorageError(
            f"The lock on {place(url)} was lost, as nothing was heard of this refresh for "
            f"{SILENCE / 60:.0f} minutes or somebody took it away; nothing was published. Run "
            "`caretrace refresh` again."
        )


def _take(connection: Connection, home: Home, url: URL) -> str:
    """Create the database, or find out who has; the mark that it carries."""
    mark = secrets.token_hex(8)
    for _ in range(3):
        now = _now(connection)
        said = {"mark": mark, "home": nameplate(home), "who": _who(now), "seen": now}
        if _created(connection, _name(), said):
            return mark
        holder = _holder(connection)
        if holder is None:
            continue  # let go of a moment ago
        # One of this home folder is dead, or it would have the folder's lock.
        alive = holder.home != nameplate(home) and holder.now - holder.seen < SILENCE
        if alive or not _passed_over(connection, holder):
            raise Busy(
                f"Another refresh is running on {place(url)}: {holder.who}. Wait for it, or stop "
                f"that process; {SILENCE / 60:.0f} minutes after its last sign of life it is "
                f"passed over. Where no refresh runs, drop the databases {_name()}*."
            )
    raise Busy(f"Other refreshes begin and end on {place(url)} just now. Try again in a minute.")


def _passed_over(connection: Connection, holder: _Holder) -> bool:
    """Take the lock from one who is gone; of two who would, one is told no.

    Whoever comes second finds another's mark and leaves the lock alone.
    """
    turn = f"{_name()}_{holder.mark}"
    if not _created(connection, turn, {}):
        return False
    try:
        present = _holder(connection)
        if present is not None and present.mark == holder.mark:
            run(connection, f"drop database if exists {_name()} cascade")
    finally:
        run(connection, f"drop database if exists {turn} cascade")
    return True


def _created(connection: Connection, name: str, said: dict[str, object]) -> bool:
    listed = ", ".join(f"'caretrace.lock.{word}' = '{value}'" for word, value in said.items())
    try:
        run(
            connection,
            f"create database {name} comment 'A refresh of caretrace is running.'"
            + (f" with dbproperties ({listed})" if listed else ""),
        )
    except DBAPIError as error:
        if re.search("already.?exists", str(error.orig), re.IGNORECASE):
            return False
        raise
    return True


def _holder(connection: Connection) -> _Holder | None:
    """Who has the lock; None where nobody has."""
    if not connection.exec_driver_sql(f"show databases like '{_name()}'").all():
        return None
    try:
        told = connection.exec_driver_sql(f"describe database extended {_name()}").all()
    except DBAPIError:
        return None  # dropped in between
    said = dict(_SAID.findall(" ".join(str(value) for _, value in told)))
    return _Holder(
        said.get("mark", ""),
        said.get("home", ""),
        said.get("who", "an unknown process"),
        float(said.get("seen", 0)),
        _now(connection),
    )


def _now(connection: Connection) -> int:
    """Seconds since 1970 by the server's clock, which is the same for every host.

    Out of a list of values, which the server answers itself: a query would wait for a worker to be
    free, and that may take longer than a holder may be silent.
    """
    asked = "select now from values (unix_seconds(current_timestamp())) as clock (now)"
    return int(connection.exec_driver_sql(asked).scalar_one())


def _who(now: int) -> str:
    """This process, without what a property could not hold."""
    host = re.sub(r"[^A-Za-z0-9_.-]", "?", platform.node())
    return f"process {os.getpid()} on {host}, since {datetime.fromtimestamp(now, UTC):%F %T} UTC"


def _name() -> str:
    return f"{prefix()}_lock"
