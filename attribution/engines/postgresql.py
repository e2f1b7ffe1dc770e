"""PostgreSQL: the private store of each generation is a schema of a server's database.

`private_<n>` holds what was loaded and what models make of it; when a generation is closed, its
marts are moved to `marts_<n>` and what is of people to `people_<n>`. Schemas `marts` and `people`
hold a view of each published table, and `files` of the files that pages read
(`postgresql_files.py`): a transaction points all of them at the next generation, so whoever reads
sees a whole one. `caretrace.generation` says which schemas are whole, and `caretrace.published`
which is read.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import Lock
from typing import Any

from sqlalchemy import URL, Connection, Engine

from attribution import generations
from attribution.engines import files, postgresql_arrow
from attribution.engines.carrying import carry
from attribution.engines.duckdb import open_writer
from attribution.engines.files import NO_TABLES, Grains
from attribution.engines.postgresql_books import (
    BOOKS,
    CARRIED,
    carried_on,
    catch_up,
    drop,
    move,
    numbers,
    point_at,
    schemas_of,
)
from attribution.engines.postgresql_files import Offering, keep_files
from attribution.engines.postgresql_lock import bind, holding, transaction
from attribution.engines.postgresql_moving import Receiving
from attribution.engines.postgresql_server import engine_for, looked_at
from attribution.engines.private_copy import PrivateCopy
from attribution.errors import StorageError
from attribution.paths import Home
from attribution.raw import ensure_raw_tables, loaded_tables, tables
from attribution.statements import run

BESIDE = "beside.duckdb"  # what is published, while the files that readers open are written of it


class Building:
    """The next generation while it is being built; one at a time, held by the refresh."""

    lost = ""  # why what was loaded before is not gone on from

    def __init__(self, home: Home, url: URL, number: int, *, memory: str, resumed: bool) -> None:
        self.home = home
        self.number = number
        self.resumed = resumed
        self.folder = home.generation(number)
        self.commits = Lock()  # windows are read in parallel and committed one at a time
        self.engine = engine_for(url, schemas_of(number))
        bind(self.engine, home, url)
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

    def modelling(self) -> AbstractContextManager[Connection]:
        """The private store itself."""
        return self.connect()

    def rewrite(self) -> None:
        """Write every loaded table into new files of the server, and drop what models built."""
        with self.connect() as connection:
            loaded = loaded_tables(connection)
            for table in set(tables(connection)) - {*loaded, *CARRIED}:
                run(connection, f'drop table "{table}"')
        with self.engine.connect() as connection:
            outside = connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in (*loaded, *CARRIED):
                if postgresql_arrow.columns(outside, table):
                    run(outside, f'vacuum (full, analyze) "{table}"')

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
        """Make the files durable, and put them and what is published into their own schemas."""
        self._let_go_of_copy()
        files.remove(self.folder / BESIDE)
        shutil.rmtree(self.folder / "spill", ignore_errors=True)
        generations.make_durable(self.home, self.number)
        with self.connect() as connection:
            move(connection, self.number, self._marts, self._people)
            keep_files(connection, self.home, self.number)
        self.engine.dispose()

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
        with holding(home, self._url, BOOKS):
            yield

    def begin(self, home: Home, *, memory: str) -> Building:
        """Start the next generation from what was loaded for the published one."""
        home.generations.mkdir(mode=0o700, parents=True, exist_ok=True)
        with holding(home, self._url, BOOKS) as connection:
            base = catch_up(home, connection)
            found: int | None = run(
                connection,
                "select number from caretrace.generation where state = 'building' and base is not "
                f"distinct from {base or 'null::integer'} order by number desc limit 1",
            ).scalar()
            drop(connection, numbers(connection, "state <> 'published'") - {found or 0})
            resumed = found is not None
            number = self._new(home, connection, base) if found is None else found
        if not home.generation(number).is_dir():
            generations.new_folder(home, number, f"postgresql {base}")
        for old in generations.numbers(home):
            if old != number:
                generations.clear(home, old, generations.current_generation(home))
        building = Building(home, self._url, number, memory=memory, resumed=resumed)
        published = generations.current_generation(home)
        if base is None and published is not None:
            building.lost = generations.not_here(published)
        return building

    def _new(self, home: Home, connection: Connection, base: int | None) -> int:
        """Make the schema of the next generation, with what was loaded, in one transaction."""
        present = generations.current_generation(home) or 0
        # Numbers are never used twice: a page may still hold one that was rolled back.
        number = max([*generations.numbers(home), *numbers(connection), present]) + 1
        private = schemas_of(number)[0]
        with transaction(connection):
            run(connection, f"create schema {private}")
            if base is not None:
                before = schemas_of(base)[0]
                for table in carried_on(connection, before):
                    run(
                        connection,
                        f'create table {private}."{table}" as select * from {before}."{table}"',
                    )
            run(
                connection,
                "insert into caretrace.generation (number, base, state) "
                f"values ({number}, {base or 'null'}, 'building')",
            )
        return number

    def publish(self, home: Home, number: int) -> None:
        """Point readers of the server at a closed generation, then pages; drop the oldest."""
        with holding(home, self._url, BOOKS) as connection:
            point_at(connection, number)
            generations.point_at(home, number)
            every = sorted(numbers(connection, f"state = 'published' and number <= {number}"))
            # Where somebody still reads one of them, it goes after the next refresh.
            with suppress(StorageError):
                drop(connection, set(every[: -generations.KEPT_GENERATIONS]))

    def holds(self, home: Home, number: int) -> bool:
        """Whether the private store of a closed generation is here."""
        engine = self.open_private(home, number)
        try:
            with engine.connect() as connection:
                return bool(tables(connection))
        finally:
            engine.dispose()

    def rollback(self, home: Home, number: int) -> None:
        """Point readers at an earlier generation; what is after it is left."""
        with holding(home, self._url, BOOKS) as connection:
            if number not in numbers(connection, "state = 'published'"):
                raise StorageError(
                    f"PostgreSQL does not hold generation {number} any more, so there is no going "
                    "back to it. Nothing was changed."
                )
            point_at(connection, number)
            generations.leave_after(home, number)
            generations.point_at(home, number)

    def drop_others(self, home: Home, number: int) -> int:
        """Remove every generation but this one, here and on the server.

        Where the server has published a later one, as a refresh that was killed leaves it, that is
        the one, if its files are here; else it stays too.
        """
        with holding(home, self._url, BOOKS) as connection:
            there = catch_up(home, connection)
            number = generations.current_generation(home) or number
            drop(connection, numbers(connection) - {number, there})
        return generations.keep_only(home, number)

    def receive(
        self, home: Home, number: int, store: Connection, names: Sequence[str]
    ) -> Receiving:
        """Take in a generation's private store from another engine."""
        return Receiving(home, self._url, number, store, names)

    def open_private(self, home: Home, number: int) -> Engine:
        """The private store of a closed generation, to read."""
        return engine_for(self._url, schemas_of(number))

    @contextmanager
    def asked(self, home: Home, number: int) -> Iterator[Any]:
        """DuckDB, to which every table comes from the server when a question first names it."""
        engine = self.open_private(home, number)
        try:
            with engine.connect() as connection, PrivateCopy(home, connection) as copy:
                yield copy
        finally:
            engine.dispose()

    def space(self, home: Home) -> tuple[int, int]:
        """Bytes free where the home folder is, and bytes that the next refresh may need there."""
        return shutil.disk_usage(home.folder).free, 3 * generations.bytes_of(home)

    def findings(self, home: Home) -> Iterator[tuple[str, bool, str]]:
        """Version, order of texts, rights, time zone and settings of the server.

        Of a host that only serves pages: the version, and what it may take.
        """
        try:
            with engine_for(self._url).connect() as connection:
                found = list(looked_at(connection))
                taken = Offering(connection, self._url).finding(home)
                yield from [*found[:1], taken] if taken else found
        except StorageError as error:
            yield "PostgreSQL", False, str(error)
