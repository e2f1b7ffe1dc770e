"""Spark: a cluster builds the models of what this computer has loaded.

What is loaded stands in a DuckDB file of the home folder, which takes windows whole or not at all,
and is landed on the cluster as Parquet that is only ever added to. Each generation's models are
tables of a database of their own; what is of people stays there, and views of the published marts
stand in one database for whoever reads with tools of their own. Pages read files in the home
folder, as on every engine, and never wait for the cluster.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine

from attribution import generations, sql_models
from attribution.at_rest import write_whole
from attribution.engines import duckdb
from attribution.engines.carrying import carry
from attribution.engines.files import NO_TABLES, Grains
from attribution.engines.private_copy import PrivateCopy
from attribution.engines.spark_arrow import in_words
from attribution.engines.spark_landing import Parts, as_text, forget, land
from attribution.engines.spark_lock import holding, prove
from attribution.engines.spark_server import engine_for, looked_at, owned, prefix
from attribution.errors import StorageError
from attribution.paths import Home
from attribution.raw import tables
from attribution.statements import run

if TYPE_CHECKING:
    from attribution.engines.duckdb_moving import Receiving

_SHOWN = "landed.json"  # which parts of what was loaded a generation is made of
# Made by a model, and read by the next refresh all the same.
_CARRIED = ("int_forecasts",)


class Building(duckdb.Building):
    """The next generation: loaded here, made there."""

    def __init__(self, home: Home, number: int, *, memory: str, resumed: bool, url: URL) -> None:
        self._url = url
        self._cluster: Engine | None = None
        self._at_work = False  # whether the cluster was asked for anything
        self._beside: list[str] = []  # of the cluster, here for what viewers read of them
        super().__init__(home, number, memory=memory, resumed=resumed)

    @contextmanager
    def modelling(self) -> Iterator[Connection]:
        """A connection to the cluster, on which all that was loaded has landed."""
        if self._cluster is None:
            self._cluster = self._landed()
        with self._cluster.connect() as connection:
            yield connection

    def _landed(self) -> Engine:
        """Land what was loaded; it is the same for the rest of this refresh."""
        self._at_work = True
        database = database_of(self.number)
        engine = engine_for(self._url)
        try:
            with in_words(), self.connect() as here, engine.connect() as there:
                owned(there, self.home)
                run(there, f"drop database if exists {database} cascade")
                run(there, f"create database {database}")
                shown = land(here, there, prefix(), database, _read())
                run(there, f"use {database}")
        except BaseException:
            engine.dispose()
            raise
        write_whole(self.folder / _SHOWN, as_text(shown).encode("ascii"))
        return engine

    def copy_marts(
        self, marts: Grains, people: Grains = NO_TABLES, beside: tuple[str, ...] = ()
    ) -> None:
        """Bring what is published, then write the files that readers open."""
        with self.modelling() as source, self.engine.begin() as target:
            driver: Any = target.connection.driver_connection
            there = set(tables(source))
            built = there - _read()  # what landed stands here already
            self._beside = [name for name in beside if name in built]
            carried = [name for name in _CARRIED if name in there]
            for table in (*marts, *people, *carried, *self._beside):
                carry(source, driver, table)
        super().copy_marts(marts, people, beside)

    def write_viewers(self, write: Callable[..., None]) -> None:
        """Write the file that viewers' pages open; what it is counted from stays on the cluster."""
        super().write_viewers(write)
        with self.connect() as connection:
            for table in self._beside:
                run(connection, f'drop table "{table}"')

    def abandon(self) -> None:
        """Let go of the cluster and of the file; the next refresh goes on from what was loaded."""
        if self._cluster is not None:
            self._cluster.dispose()
            self._cluster = None
        super().abandon()

    def discard(self) -> None:
        """Let go. Once the cluster is at work, a failure is its own: what was loaded is kept."""
        if self._at_work:
            self.abandon()
        else:
            super().discard()


class Spark(duckdb.DuckDb):
    """A cluster, for those whose touchpoints outgrow one computer."""

    def __init__(self, url: URL) -> None:
        self._url = url

    @contextmanager
    def alone(self, home: Home) -> Iterator[None]:
        """Hold the catalog's lock; raises StorageError where the cluster does not answer.

        Before anything is loaded: without the cluster nothing could be made of it.
        """
        with holding(home, self._url):
            yield

    def building(self, home: Home, number: int, *, memory: str, resumed: bool) -> Building:
        """Open a generation that has its folder to build in it."""
        return Building(home, number, memory=memory, resumed=resumed, url=self._url)

    def publish(self, home: Home, number: int) -> None:
        """Point readers on the cluster at a closed generation, then pages; drop the oldest.

        Where the cluster fails, pages stay where they are.
        """
        prove(home, self._url)
        with _told(self._url) as connection:
            _show(connection, number)
        super().publish(home, number)
        with suppress(StorageError):  # what is left is dropped by the next publication
            _tidy(home, self._url)

    def rollback(self, home: Home, number: int) -> None:
        """Point readers at an earlier generation."""
        with _told(self._url) as connection:
            _show(connection, number)
        super().rollback(home, number)

    def drop_others(self, home: Home, number: int) -> int:
        """Remove every generation but this one, here and on the cluster.

        Raises StorageError where the cluster keeps what should be gone: it may be somebody's.
        """
        dropped = super().drop_others(home, number)
        _tidy(home, self._url)
        return dropped

    def receive(
        self, home: Home, number: int, store: Connection, names: Sequence[str]
    ) -> "Receiving":
        """Take in what another engine holds: into the file from which the cluster builds."""
        engine_for(self._url).dispose()  # a cluster that is not there is said before all else
        return super().receive(home, number, store, names)

    @contextmanager
    def asked(self, home: Home, number: int) -> Iterator[Any]:
        """DuckDB with what was loaded; what models made comes when a question names it."""
        engine = engine_for(self._url, database_of(number))
        try:
            with engine.connect() as connection, PrivateCopy(home, connection) as copy:
                yield copy
        finally:
            engine.dispose()

    def findings(self, home: Home) -> Iterator[tuple[str, bool, str]]:
        """Version, time zone, ANSI mode, catalog and rights of the cluster."""
        try:
            with engine_for(self._url).connect() as connection:
                yield from list(looked_at(connection))
        except StorageError as error:
            yield "Spark", False, str(error)


@contextmanager
def _told(url: URL) -> Iterator[Connection]:
    """A connection to the cluster for a few words."""
    engine = engine_for(url)
    try:
        with in_words(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _show(connection: Connection, number: int) -> None:
    """Let the views of the published marts show those of a generation."""
    run(connection, f"create database if not exists {prefix()}")
    database = database_of(number)
    if database not in _names(connection, f"show databases like '{prefix()}_*'", 0):
        return  # the cluster's catalog was lost; pages have all that they need
    there = set(_names(connection, f"show tables in {database}", 1))
    for model in sql_models.load_models():
        if model.layer == "marts" and model.name in there:
            view = f"{prefix()}.{model.name}"
            run(
                connection,
                f"create or replace view {view} as select * from {database}.{model.name}",
            )


def _tidy(home: Home, url: URL) -> None:
    """Drop every database and every part that no kept generation needs."""
    kept = set(generations.finished(home, until=None))
    with _told(url) as connection:
        for name in _names(connection, f"show databases like '{prefix()}_*'", 0):
            number = name.removeprefix(f"{prefix()}_")
            if number.isdigit() and int(number) not in kept:
                run(connection, f"drop database if exists {name} cascade")
        forget(connection, prefix(), [_shown(home, each) for each in kept])


def database_of(number: int) -> str:
    """The database of a generation."""
    return f"{prefix()}_{number}"


def _read() -> set[str]:
    """The tables that models and checks read, and that no model makes."""
    files = [*sql_models.load_models(), *sql_models.load_checks()]
    return {name for file in files for name in (*file.inputs, *file.beside)} - {
        file.name for file in files
    }


def _shown(home: Home, number: int) -> Parts:
    path = home.generation(number) / _SHOWN
    parts: Parts = json.loads(path.read_text("ascii")) if path.is_file() else {}
    return parts


def _names(connection: Connection, sql: str, place: int) -> list[str]:
    return [str(row[place]) for row in connection.exec_driver_sql(sql).all()]
