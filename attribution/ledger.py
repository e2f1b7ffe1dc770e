"""The ledger: what ran, what it loaded, what it published. SQLite, never rebuilt, never large.

Every write is one short transaction under a file lock: with several writers SQLite alone answers
"database is locked" under load, and the lock also keeps out the write-ahead-log reset bug of
SQLite before 3.51.3.
"""

import fcntl
import json
import os
import platform
import secrets
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Self

import pandas as pd
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    delete,
    event,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from attribution.at_rest import lock_file
from attribution.errors import StorageError, told
from attribution.lock import held
from attribution.paths import Home

METADATA = MetaData()
RUN = Table(
    "run",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("started_at", Text, nullable=False),
    Column("ended_at", Text),
    Column("state", Text, nullable=False),  # running published partial failed killed
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("generation", Integer),
    Column("message", Text, nullable=False, default=""),
)
STEP = Table(
    "step",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),  # waiting running done failed skipped
    Column("started_at", Text),
    Column("ended_at", Text),
    Column("rows_done", Integer, nullable=False, default=0),
    Column("message", Text, nullable=False, default=""),
)
SOURCE = Table(
    "source_state",
    METADATA,
    Column("source", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("state", Text, nullable=False),  # fresh failed
    Column("last_success_at", Text),
    Column("last_attempt_at", Text, nullable=False),
    Column("rows_loaded", Integer, nullable=False, default=0),
    Column("message", Text, nullable=False, default=""),
)
SLICE = Table(
    "slice",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False),  # loaded failed
    Column("rows_loaded", Integer, nullable=False),
    Column("rows_rejected", Integer, nullable=False),
    Column("ended_at", Text, nullable=False),
    Column("message", Text, nullable=False, default=""),
)
PUBLICATION = Table(
    "publication",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("generation", Integer, nullable=False),
    Column("run_id", Text),
    Column("published_at", Text, nullable=False),
    Column("checksums", Text, nullable=False),
    Column("reason", Text, nullable=False),  # refresh rollback
)
SESSION = Table(
    "session",
    METADATA,
    Column("id_hash", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("groups", Text, nullable=False),
    Column("began_at", Text, nullable=False),
    Column("seen_at", Text, nullable=False),
    Column("ended_at", Text),
    Column("why", Text),  # expired signed out revoked
)
AUDIT = Table(
    "audit",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("seal", Text, nullable=False),
)
SCENARIO = Table(
    "budget_scenario",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("request", Text, nullable=False),
    Column("result", Text, nullable=False),
)
FLAG = Table(
    "flag",
    METADATA,
    Column("name", Text, primary_key=True),  # sends_held, last_backup
    Column("said", Text, nullable=False),
    Column("at", Text, nullable=False),
)
ANNOTATION = Table(
    "annotation",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("actor", Text, nullable=False),
    sqlite_autoincrement=True,
)
SAVED_VIEW = Table(
    "saved_view",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("shared", Integer, nullable=False),
    Column("page", Text, nullable=False),
    Column("filters", Text, nullable=False),
    sqlite_autoincrement=True,
)
LIFT_TEST = Table(
    "lift_test",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("plan", Text, nullable=False),
    Column("digest", Text, nullable=False),  # SHA-256 of the plan
)
# Of tests; both are only added to.
LIFT_RESULT = Table(
    "lift_result",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("test", Integer, nullable=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("result", Text, nullable=False),
)
LIFT_WITHDRAWAL = Table(
    "lift_withdrawal",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("test", Integer, nullable=False),
    Column("result", Integer),  # none: the test itself was called off
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("why", Text, nullable=False),
)
# Plans of holdouts of people; only added to.
HOLDOUT_PLAN = Table(
    "holdout_plan",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("plan", Text, nullable=False),
    Column("digest", Text, nullable=False),  # SHA-256 of the plan
)
TABLES = {table.name: table for table in METADATA.sorted_tables}
# A guard against accidents; `attribution.audit` finds out what was done on purpose.
_ONLY_ADDED = (
    "create trigger if not exists audit_no_{change} before {change} on audit "
    "begin select raise(abort, 'the audit log is only added to'); end"
)
_KILLED = "The process ended without a word."


def now() -> str:
    """The instant as the ledger writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Ledger:
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
        path = self._home.ledger
        try:
            yield
        except (sqlite3.DatabaseError, DatabaseError) as error:
            reason = getattr(error, "orig", error)
            raise StorageError(
                f"{path} cannot be used ({reason}). If it is damaged, move it away with its -wal "
                "and -shm: the next refresh makes a new one, and the history of runs and "
                "publications is lost."
            ) from error

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

    def start(self, steps: Sequence[str]) -> str:
        """Begin a run of these steps; runs that died without saying so are marked killed."""
        run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        rows = [
            {"run_id": run_id, "position": i, "name": name, "state": "waiting"}
            for i, name in enumerate(steps)
        ]
        with self._write() as connection:
            connection.execute(
                update(RUN)
                .where(RUN.c.state == "running")
                .values(state="killed", ended_at=now(), message=_KILLED)
            )
            connection.execute(
                insert(RUN).values(
                    run_id=run_id,
                    started_at=now(),
                    state="running",
                    host=platform.node(),
                    pid=os.getpid(),
                )
            )
            connection.execute(insert(STEP), rows)
        return run_id

    @contextmanager
    def step(self, run_id: str, name: str) -> Iterator["StepNote"]:
        """Keep the books of one step: running, then done, or failed with the error's sentence."""
        note = StepNote()
        self._set_step(run_id, name, state="running", started_at=now())
        try:
            yield note
        except Exception as error:
            self._set_step(run_id, name, state="failed", ended_at=now(), message=told(error))
            raise
        self._set_step(
            run_id,
            name,
            state="failed" if note.failed else "done",
            ended_at=now(),
            rows_done=note.rows,
            message=note.message,
        )

    def progress(self, run_id: str, name: str, rows: int) -> None:
        """Say how far a running step has come."""
        self._set_step(run_id, name, rows_done=rows)

    def _set_step(self, run_id: str, name: str, **values: object) -> None:
        with self._write() as connection:
            connection.execute(
                update(STEP).where(STEP.c.run_id == run_id, STEP.c.name == name).values(values)
            )

    def finish(self, run_id: str, state: str, generation: int | None, message: str) -> None:
        """End a run; steps that never began are marked skipped."""
        with self._write() as connection:
            connection.execute(
                update(STEP)
                .where(STEP.c.run_id == run_id, STEP.c.state == "waiting")
                .values(state="skipped")
            )
            connection.execute(
                update(RUN)
                .where(RUN.c.run_id == run_id)
                .values(state=state, ended_at=now(), generation=generation, message=message)
            )

    def slice_done(self, **values: object) -> None:
        """Record one slice of a source: loaded, or failed with the reason."""
        with self._write() as connection:
            connection.execute(
                upsert(SLICE).values(ended_at=now(), **values).on_conflict_do_nothing()
            )

    def source_done(
        self, source: str, kind: str, account: str, rows: int, message: str | None
    ) -> None:
        """Record how a source fared; `message` says why it failed, None that it did not."""
        at = now()
        values: dict[str, object] = {
            "kind": kind,
            "account": account,
            "state": "fresh" if message is None else "failed",
            "last_attempt_at": at,
            "rows_loaded": rows,
            "message": message or "",
        }
        if message is None:
            values["last_success_at"] = at
        statement = upsert(SOURCE).values(source=source, **values)
        with self._write() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["source"], set_=values)
            )

    def keep_sources(self, names: Collection[str]) -> None:
        """Forget the state of sources that are no longer configured; their data stay."""
        with self._write() as connection:
            connection.execute(delete(SOURCE).where(SOURCE.c.source.not_in(names)))

    def published(
        self, generation: int, run_id: str | None, checksums: Mapping[str, str], reason: str
    ) -> None:
        """Record that pages now read a generation, and the checksum of each of its marts."""
        with self._write() as connection:
            connection.execute(
                insert(PUBLICATION).values(
                    generation=generation,
                    run_id=run_id,
                    published_at=now(),
                    checksums=json.dumps(checksums, sort_keys=True),
                    reason=reason,
                )
            )

    def append_audit(
        self,
        entry_of: Callable[[int, str], Mapping[str, object]],
        noted: Callable[[Mapping[str, object]], None],
    ) -> None:
        """Add to the audit log what `entry_of` makes of the next number and the last seal.

        `noted` gets the entry once it is committed, before anybody can add another.
        """
        with self._sound(), lock_file(self._lock) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            newest = select(AUDIT.c.number, AUDIT.c.seal).order_by(AUDIT.c.number.desc()).limit(1)
            with self._engine.begin() as connection:
                last = connection.execute(newest).one_or_none()
                entry = entry_of(*((last.number + 1, last.seal) if last else (1, "")))
                connection.execute(insert(AUDIT).values(entry))
            noted(entry)

    def audited(self, last: int | None = None) -> pd.DataFrame:
        """The audit log's entries in order, or only the last so many."""
        newest = select(AUDIT).order_by(AUDIT.c.number.desc())
        found = self._frame(newest if last is None else newest.limit(last))
        return found.iloc[::-1].reset_index(drop=True)

    def keep_scenario(self, **values: object) -> None:
        """Keep a plan for the budget; its name must be new."""
        with self._write() as connection:
            connection.execute(insert(SCENARIO).values(at=now(), **values))

    def scenarios(self) -> list[dict[str, Any]]:
        """The plans that were kept, oldest first."""
        with self._sound(), self._engine.connect() as connection:
            # An older ledger that can only be read has no such table.
            if not inspect(connection).has_table(SCENARIO.name):
                return []
            rows = connection.execute(select(SCENARIO).order_by(SCENARIO.c.number)).mappings()
            return [dict(row) for row in rows]

    def flag(self, name: str) -> str | None:
        """What a flag says; None where it is not set, or the ledger is an older one to read."""
        with self._sound(), self._engine.connect() as connection:
            if not inspect(connection).has_table(FLAG.name):
                return None
            said = connection.execute(select(FLAG.c.said).where(FLAG.c.name == name)).scalar()
            return None if said is None else str(said)

    def set_flag(self, name: str, said: str | None) -> None:
        """Set a flag, or take it away."""
        with self._write() as connection:
            connection.execute(delete(FLAG).where(FLAG.c.name == name))
            if said is not None:
                connection.execute(insert(FLAG).values(name=name, said=said, at=now()))

    def add(self, table: Table, **values: object) -> None:
        """Add a row to a table that people write into: notes, saved views."""
        with self._write() as connection:
            connection.execute(insert(table).values(at=now(), **values))

    def remove(self, table: Table, number: int) -> None:
        """Remove the row of that number."""
        with self._write() as connection:
            connection.execute(delete(table).where(table.c.number == number))

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """The rows of such a table, oldest first."""
        with self._sound(), self._engine.connect() as connection:
            # An older ledger that can only be read has no such table.
            if not inspect(connection).has_table(table.name):
                return []
            found = connection.execute(select(table).order_by(table.c.number)).mappings()
            return [dict(row) for row in found]

    def runs(self, limit: int = 20) -> pd.DataFrame:
        """The last runs, newest first; one whose process died is `killed`, not `running`."""
        newest = select(RUN).order_by(RUN.c.started_at.desc()).limit(limit)
        found = self._frame(newest)
        running = set(found.loc[found["state"] == "running", "run_id"])
        if running and not held(self._home):
            # It may have ended between the two looks.
            found = self._frame(newest)
            dead = (found["state"] == "running") & found["run_id"].isin(running)
            found.loc[dead, ["state", "message"]] = ["killed", _KILLED]
        return found

    def steps(self, run_id: str) -> pd.DataFrame:
        """The steps of one run in order."""
        return self._frame(select(STEP).where(STEP.c.run_id == run_id).order_by(STEP.c.position))

    def sources(self) -> pd.DataFrame:
        """Each source: when it last succeeded, and what is wrong with it if anything is."""
        return self._frame(select(SOURCE).order_by(SOURCE.c.source))

    def slices(self, run_id: str) -> pd.DataFrame:
        """The slices that a run loaded or failed to load."""
        return self._frame(select(SLICE).where(SLICE.c.run_id == run_id).order_by(SLICE.c.ended_at))

    def publications(self, limit: int = 20) -> pd.DataFrame:
        """What was published, newest first."""
        return self._frame(select(PUBLICATION).order_by(PUBLICATION.c.number.desc()).limit(limit))

    def _frame(self, statement: object) -> pd.DataFrame:
        with self._sound(), self._engine.connect() as connection:
            return pd.read_sql(statement, connection)  # type: ignore[call-overload,no-any-return]


class StepNote:
    """What a step has to say for itself when it ends."""

    def __init__(self) -> None:
        self.rows = 0
        self.message = ""
        self.failed = False


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
