"""What is kept beside the databases and can be deleted: books of runs, mentions, old payloads.

The audit log cannot: it is only ever added to, and names people by their number alone.
"""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import Connection, MetaData, Select, Table, delete, func, select

from attribution.ledger import Ledger
from attribution.ledger_tables import AUDIT, PUBLICATION, RUN, SLICE, STEP
from attribution.paths import Home

_PERSON = "person_id"  # what a column of the ledger that points at a person is called


class Books(Ledger):
    """The ledger of one home folder, for whoever deletes from it."""

    @contextmanager
    def between_entries(self) -> Iterator[int]:
        """Let nobody add to the audit log meanwhile; yields the number of the next entry."""
        with self._write() as connection:
            last = connection.execute(select(func.max(AUDIT.c.number))).scalar_one()
            yield (last or 0) + 1

    def old_runs(self, since: date) -> int:
        """How many runs began before a day; one that is running is never old."""
        with self._write() as connection:
            return len(connection.execute(_old(since)).all())

    def purge_runs(self, since: date) -> int:
        """Remove the books of runs that began before a day; returns how many runs.

        The newest publication stays, however old it is.
        """
        with self._write() as connection:
            runs = connection.execute(_old(since)).scalars().all()
            for table in (STEP, SLICE, RUN):
                for run in runs:
                    connection.execute(delete(table).where(table.c.run_id == run))
            newest = select(func.max(PUBLICATION.c.number)).scalar_subquery()
            connection.execute(
                delete(PUBLICATION).where(
                    PUBLICATION.c.published_at < since.isoformat(), PUBLICATION.c.number < newest
                )
            )
        return len(runs)

    def mentions(self, people: Collection[int]) -> int:
        """How many rows point at some people; those of the audit log apart."""
        with self._write() as connection:
            return sum(
                connection.execute(
                    select(func.count()).select_from(table).where(table.c[_PERSON].in_(people))
                ).scalar_one()
                for table in _about_people(connection)
            )

    def remove_mentions(self, people: Collection[int]) -> int:
        """Delete what `mentions` counts, and write the file anew; returns how many rows went."""
        with self._write() as connection:
            gone = sum(
                connection.execute(delete(table).where(table.c[_PERSON].in_(people))).rowcount
                for table in _about_people(connection)
            )
        if gone:
            with self._engine.connect() as connection:
                open_ended = connection.execution_options(isolation_level="AUTOCOMMIT")
                for statement in ("vacuum", "pragma wal_checkpoint(truncate)"):
                    open_ended.exec_driver_sql(statement)
        return gone


def old_payloads(home: Home, since: date) -> int:
    """How many payloads are of runs that began before a day."""
    return sum(path.is_file() for run in _runs(home, since) for path in run.rglob("*"))


def purge_payloads(home: Home, since: date) -> int:
    """Remove the payloads of runs that began before a day; returns how many."""
    gone = old_payloads(home, since)
    for run in list(_runs(home, since)):
        shutil.rmtree(run)
    return gone


def _old(since: date) -> Select[tuple[str]]:
    return select(RUN.c.run_id).where(
        RUN.c.started_at < since.isoformat(), RUN.c.state != "running"
    )


def _about_people(connection: Connection) -> Iterator[Table]:
    """Whatever tables of the ledger have a column for a person, whoever made them."""
    found = MetaData()
    found.reflect(connection)
    for table in found.sorted_tables:
        if _PERSON in table.c and table.name != AUDIT.name:
            yield table


def _runs(home: Home, since: date) -> Iterator[Path]:
    """Folders of runs that began before a day, by what the ledger called them."""
    for run in home.raw.glob("*/*/*"):
        try:
            began = datetime.strptime(run.name[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            continue
        if run.is_dir() and began.date() < since:
            yield run
