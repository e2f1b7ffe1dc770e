"""PostgreSQL: the private store of each generation is a schema of a server's database.

`private_<n>` holds what was loaded and what models make of it; when a generation is closed, its
marts are moved to `marts_<n>` and what is of people to `people_<n>`. Schemas `marts` and `people`
hold a view of each published table: a transaction points all of them at the next generation, so
whoever reads with tools of their own sees a whole one. `caretrace.generation` says which schemas
are whole, and `caretrace.published` which is read.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from sqlalchemy import URL, Connection, Engine

from attribution import generations
from attribution.engines import files, postgresql_arrow
from attribution.engines.carrying import carry
from attribution.engines.duckdb import open_writer
from attribution.engines.files import NO_TABLES, Grains
from attribution.engines.postgresql_lock import holding, transaction
from attribution.engines.postgresql_server import engine_for, looked_at
from attribution.engines.private_copy import PrivateCopy
from attribution.errors import StorageError
from attribution.paths import Home
from attribution.raw import ensure_raw_tables, loaded_tables, tables

BESIDE = "beside.duckdb"  # what is published, while the files that readers open are written of it
# Made by a model, and read by the next refresh all the same.
_CARRIED = ("int_forecasts",)
_BOOKS = (
    "create schema if not exists caretrace",
    """create table if not exists caretrace.generation (
    number integer primary key, base integer, state text not null,
    begun_at timestamptz not null default now())""",
    "create table if not exists caretrace.published (number integer not null)",
    "create table if not exists caretrace.holder (host text, process integer, since timestamptz)",
    "create schema if not exists marts",
    "create schema if not exists people",
)


class Building:
    """The next generation while it is being built; one at a time, held by the refresh."""

    def __init__(self, home: Home, url: URL, number: int, *, memory: str, resumed: bool) -> None:
        self.home = home
        self.number = number
        self.resumed = resumed
        self.folder = home.generation(number)
        self.commits = Lock()  # windows are read in parallel and committed one at a time
        self.engine = engine_for(url, schemas_of(number))
        self._memory = memory
        self._marts: tuple[str, ...] = ()
        self._people: tuple[str, ...] = ()
        self._copy: Engine | None = None
        with self.connect() as connection:
            ensure_raw_tables(connection)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection to the private store that commits when the block ends well."""
        with self.engine.begin() as connection:
            yield connection

    def rewrite(self) -> None:
        """Write every loaded table into new files of the server, and drop what models built."""
        with self.connect() as connection:
            loaded = loaded_tables(connection)
            for table in set(tables(connection)) - {*loaded, *_CARRIED}:
                _run(connection, f'drop table "{table}"')
        with self.engine.connect() as connection:
            outside = connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in (*loaded, *_CARRIED):
                if postgresql_arrow.columns(outside, table):
                    _run(outside, f'vacuum (full, analyze) "{table}"')

    def copy_marts(
        self, marts: Grains, people: Grains = NO_TABLES, beside: tuple[str, ...] = ()
    ) -> None:
        """Write the files that readers open, of what Arrow brings out of the server."""
        self._marts, self._people = tuple(marts), tuple(people)
        self._let_go_of_copy()
        files.remove(self.folder / BESIDE)
        self._copy = open_writer(
            self.folder / BESIDE, memory=self._memory, spill=self.folder / "spill"
        )
        with self.engine.connect() as source, self._copy.begin() as target:
            driver: Any = target.connection.driver_connection
            there = set(tables(source))
            for table in (*marts, *people, *(name for name in beside if name in there)):
                carry(source, driver, table)
        files.write_files(self._copy, self.folder, marts, people)

    @contextmanager
    def copied(self) -> Iterator[Connection]:
        """DuckDB with all that was copied."""
        with self._copied().begin() as connection:
            yield connection

    def write_viewers(self, write: Callable[..., None]) -> None:
        """Write the file that viewers' pages open."""
        files.write_viewers(self._copied(), self.home, self.folder, write)

    def close(self) -> None:
        """Put what is published into its own schemas, and make the files durable."""
        private, marts, people = schemas_of(self.number)
        self._let_go_of_copy()
        with self.connect() as connection:
            for schema, moved in ((marts, self._marts), (people, self._people)):
                _run(connection, f"create schema if not exists {schema}")
                for table in moved:
                    _run(connection, f'drop table if exists {schema}."{table}"')
                    _run(connection, f'alter table {private}."{table}" set schema {schema}')
        self.engine.dispose()
        files.remove(self.folder / BESIDE)
        shutil.rmtree(self.folder / "spill", ignore_errors=True)
        generations.make_durable(self.home, self.number)

    def abandon(self) -> None:
        """Let go of the server; the next refresh goes on from what was committed."""
        self._let_go_of_copy()
        self.engine.dispose()

    def discard(self) -> None:
        """The same: what was committed on a server can be trusted, whatever happened here."""
        self.abandon()

    def _copied(self) -> Engine:
        if self._copy is None:
            raise StorageError("Nothing was copied out of PostgreSQL yet.")
        return self._copy

    def _let_go_of_copy(self) -> None:
        if self._copy is not None:
            self._copy.dispose()
            self._copy = None


class PostgreSql:
    """A server that a health system shares."""

    def __init__(self, url: URL) -> None:
        self._url = url

    @contextmanager
    def alone(self, home: Home) -> Iterator[None]:
        """Hold the server's lock for as long as the block is worked on."""
        with holding(home, self._url, _BOOKS):
            yield

    def begin(self, home: Home, *, memory: str) -> Building:
        """Start the next generation from what was loaded for the published one."""
        home.generations.mkdir(mode=0o700, parents=True, exist_ok=True)
        with holding(home, self._url, _BOOKS) as connection:
            base = _catch_up(home, connection)
            found = _run(
                connection,
                "select number from caretrace.generation where state = 'building' and base is not "
                f"distinct from {base or 'null::integer'} order by number desc limit 1",
            ).scalar()
            _drop(connection, _numbers(connection, "state <> 'published'") - {found or 0})
            resumed = found is not None
            number = found if resumed else self._new(home, connection, base)
        if not home.generation(number).is_dir():
            generations.new_folder(home, number, f"postgresql {base}")
        for old in generations.numbers(home):
            if old != number:
                generations.clear(home, old, generations.current_generation(home))
        return Building(home, self._url, number, memory=memory, resumed=resumed)

    def _new(self, home: Home, connection: Connection, base: int | None) -> int:
        """Make the schema of the next generation, with what was loaded, in one transaction."""
        present = generations.current_generation(home) or 0
        # Numbers are never used twice: a page may still hold one that was rolled back.
        number = max([*generations.numbers(home), *_numbers(connection), present]) + 1
        private = schemas_of(number)[0]
        with transaction(connection):
            _run(connection, f"create schema {private}")
            if base is not None:
                before = schemas_of(base)[0]
                for table in _loaded(connection, before):
                    _run(
                        connection,
                        f'create table {private}."{table}" as select * from {before}."{table}"',
                    )
            _run(
                connection,
                "insert into caretrace.generation (number, base, state) "
                f"values ({number}, {base or 'null'}, 'building')",
            )
        return number

    def publish(self, home: Home, number: int) -> None:
        """Point readers of the server at a closed generation, then pages; drop the oldest."""
        with holding(home, self._url, _BOOKS) as connection:
            _point_at(connection, number)
            generations.point_at(home, number)
            every = sorted(_numbers(connection, f"state = 'published' and number <= {number}"))
            _drop(connection, set(every[: -generations.KEPT_GENERATIONS]))

    def rollback(self, home: Home, number: int) -> None:
        """Point readers at an earlier generation; what is after it is left."""
        with holding(home, self._url, _BOOKS) as connection:
            if number not in _numbers(connection, "state = 'published'"):
                raise StorageError(
                    f"PostgreSQL does not hold generation {number} any more, so there is no going "
                    "back to it. Nothing was changed."
                )
            _point_at(connection, number)
            generations.leave_after(home, number)
            generations.point_at(home, number)

    def drop_others(self, home: Home, number: int) -> int:
        """Remove every generation but this one, here and on the server."""
        with holding(home, self._url, _BOOKS) as connection:
            _drop(connection, _numbers(connection) - {number})
        return generations.keep_only(home, number)

    def open_private(self, home: Home, number: int) -> Engine:
        """The private store of a closed generation, to read."""
        return engine_for(self._url, schemas_of(number))

    @contextmanager
    def asked(self, home: Home, number: int) -> Iterator[Any]:
        """DuckDB, to which every table comes from the server when a question first names it."""
        engine = self.open_private(home, number)
        try:
            with engine.connect() as connection, PrivateCopy(connection) as copy:
                yield copy
        finally:
            engine.dispose()

    def space(self, home: Home) -> tuple[int, int]:
        """Bytes free where the home folder is, and bytes that the next refresh may need there."""
        return shutil.disk_usage(home.folder).free, 3 * generations.bytes_of(home)

    def findings(self, home: Home) -> Iterator[tuple[str, bool, str]]:
        """Version, order of texts, rights, time zone and settings of the server."""
        try:
            with engine_for(self._url).connect() as connection:
                yield from list(looked_at(connection))
        except StorageError as error:
            yield "PostgreSQL", False, str(error)


def schemas_of(number: int) -> tuple[str, str, str]:
    """The schemas of a generation: private, marts and people."""
    return f"private_{number}", f"marts_{number}", f"people_{number}"


def _catch_up(home: Home, connection: Connection) -> int | None:
    """The generation that the server says is published; the home folder follows it.

    Where a refresh or a rollback was killed between the two, the files of it are here already.
    """
    number: int | None = _run(connection, "select number from caretrace.published").scalar()
    if number is None or generations.current_generation(home) == number:
        return number
    if (home.generation(number) / generations.MARTS).is_file():
        generations.leave_after(home, number)
        generations.point_at(home, number)
    return number


def _point_at(connection: Connection, number: int) -> None:
    """Let every view show a generation's tables, in one transaction that waits for the disk."""
    with transaction(connection):
        _run(connection, "set local synchronous_commit = on")
        _run(connection, "set local lock_timeout = '5min'")
        for schema in ("marts", "people"):
            for (view,) in _run(
                connection, f"select viewname from pg_views where schemaname = '{schema}'"
            ).all():
                _run(connection, f'drop view {schema}."{view}"')
            for (table,) in _run(
                connection,
                f"select tablename from pg_tables where schemaname = '{schema}_{number}'",
            ).all():
                _run(
                    connection,
                    f'create view {schema}."{table}" as select * from {schema}_{number}."{table}"',
                )
        _run(connection, "delete from caretrace.published")
        _run(connection, f"insert into caretrace.published values ({number})")
        _run(
            connection,
            f"update caretrace.generation set state = 'published' where number = {number}",
        )
        _run(
            connection,
            f"update caretrace.generation set state = 'rolled back' where number > {number}",
        )


def _drop(connection: Connection, numbers: set[int]) -> None:
    """Remove the schemas of some generations, each in a transaction of its own."""
    for number in sorted(numbers):
        with transaction(connection):
            for schema in schemas_of(number):
                _run(connection, f"drop schema if exists {schema} cascade")
            _run(connection, f"delete from caretrace.generation where number = {number}")


def _numbers(connection: Connection, where: str = "true") -> set[int]:
    return set(_run(connection, f"select number from caretrace.generation where {where}").scalars())


def _loaded(connection: Connection, schema: str) -> list[str]:
    own = ", ".join(f"'{name}'" for name in ("cursor", "hashed_under", "to_rewrite", *_CARRIED))
    return list(
        _run(
            connection,
            f"select tablename from pg_tables where schemaname = '{schema}' and "
            f"(tablename like 'raw\\_%' or tablename in ({own})) order by 1",
        ).scalars()
    )


def _run(connection: Connection, sql: str) -> Any:
    """Run a statement that is PostgreSQL's own."""
    return connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
