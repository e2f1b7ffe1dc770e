"""The ledger: what ran, what it loaded, what it published. SQLite, never rebuilt, never large."""

import fcntl
import json
import os
import platform
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from sqlalchemy import (
    Table,
    delete,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from attribution.at_rest import lock_file
from attribution.errors import told
from attribution.ledger_file import LedgerFile
from attribution.ledger_tables import AUDIT, FLAG, PUBLICATION, RUN, SLICE, SOURCE, STEP
from attribution.lock import held

_KILLED = "The process ended without a word."


def now() -> str:
    """The instant as the ledger writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Ledger(LedgerFile):
    """The ledger of one home folder: what ran, and the rows that people add to it."""

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

    def pulled(
        self, generation: int, at: str, sources: Sequence[Mapping[str, object]], *, back: bool
    ) -> None:
        """Record that pages read a generation of another host, and how its sources fared there.

        `at` is when it was published there; `back`, that it is an earlier one than before.
        """
        with self._write() as connection:
            connection.execute(
                insert(PUBLICATION),
                [
                    {
                        "generation": generation,
                        "published_at": at,
                        "checksums": "{}",
                        "reason": reason,
                    }
                    for reason in ("refresh", "rollback")[: 2 if back else 1]
                ],
            )
            connection.execute(delete(SOURCE))
            if sources:
                connection.execute(insert(SOURCE), [dict(each) for each in sources])

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


class StepNote:
    """What a step has to say for itself when it ends."""

    def __init__(self) -> None:
        self.rows = 0
        self.message = ""
        self.failed = False
