"""Raw tables in memory that a connector is read into as the refresh does it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from attribution.erasing import erase
from attribution.loading import Loaded, Loader
from attribution.privacy import Door
from attribution.raw import cursors, ensure_raw_tables
from attribution.retention import Retention, counts, purge
from attribution.tombstones import Forgotten
from connectors.source import Source

STAGING = Path(__file__).resolve().parent.parent / "sql/staging"


class RawStore:
    """One source's rows and cursors, kept over several refreshes."""

    def __init__(self) -> None:
        self._engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)
        self.ask("set timezone = 'UTC'")
        with self._engine.begin() as connection:
            ensure_raw_tables(connection)
        # Nobody is joined to anybody: staging shows every row as of an unknown person.
        self.ask("create table identity (identifier text, person_id bigint)")
        self.ask("create table setting_report as select 'UTC' as timezone")
        self.stage("stg_tracking_code")
        self.stage("stg_ad_click")

    def refresh(self, source: Source) -> list[Loaded]:
        """Read what the source has to say since the cursors that the last refresh left."""
        loader = Loader(self._engine, Lock(), Door(b"k" * 32), "source", "account", "run")
        with self._engine.begin() as connection:
            before = cursors(connection, "source", "account")
        return [loader.load(piece) for piece in source.slices(before)]

    def stage(self, name: str) -> None:
        """Build one staging table."""
        select = (STAGING / f"{name}.sql").read_text(encoding="utf-8")
        self.ask(f"create or replace table {name} as {select}")

    def erase(self, people: tuple[str, ...]) -> None:
        """Take away every row that carries one of these hashes."""
        with self._engine.begin() as connection:
            erase(connection, Forgotten(people, ()))

    def purge(self, kept: Retention, today: date) -> dict[str, int]:
        """Take away what is past its time, and only what was said to be."""
        with self._engine.begin() as connection:
            told = counts(connection, kept, today)
            assert purge(connection, kept, today) == told
            assert purge(connection, kept, today) == {}
        return told

    def connect(self) -> AbstractContextManager[Connection]:
        """A transaction, as a generation that is being built gives it."""
        return self._engine.begin()

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with self._engine.begin() as connection:
            result = connection.exec_driver_sql(sql)
            return [tuple(row) for row in result.fetchall()]

    def close(self) -> None:
        self._engine.dispose()


@contextmanager
def raw_store() -> Iterator[RawStore]:
    """A store for the length of a block."""
    store = RawStore()
    try:
        yield store
    finally:
        store.close()
