"""DuckDB: the private store is a file in the generation's own folder.

A refresh never changes what pages read. It works on the next generation's own folder, closes it,
makes it durable, and only then moves the pointer `CURRENT`; a power cut at any instant leaves the
old generation or the new one, whole. New generation, new path: DuckDB keeps serving the old data
when a replaced file is opened again in one process.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from attribution import generations
from attribution.at_rest import sync
from attribution.engines import files
from attribution.engines.files import NO_TABLES, STORAGE_VERSION, Grains
from attribution.errors import StorageError
from attribution.generations import PRIVATE
from attribution.paths import Home
from attribution.raw import ensure_raw_tables, loaded_tables

if TYPE_CHECKING:
    from attribution.engines.duckdb_moving import Receiving

PRIVATE_NAME = "private"  # as the engine calls an open private store
_READER = {
    "access_mode": "read_only",
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "memory_limit": "1GB",
    "threads": 2,
    "lock_configuration": "true",
}


def open_reader(path: Path) -> Engine:
    """A published file, read-only, with everything else switched off."""
    if not path.is_file():
        raise StorageError(f"{path} is missing. Run `caretrace refresh` to build it again.")
    if path.with_name(f"{path.name}.wal").exists():
        raise StorageError(f"{path} was changed after it was published. Run `caretrace rollback`.")
    # Pooled: a connection belongs to one thread at a time, and opening one costs more than most
    # queries do.
    return create_engine(
        f"duckdb:///{path}",
        connect_args={"config": _READER},
        hide_parameters=True,  # an error must not tell whose rows were asked for
        poolclass=QueuePool,
        pool_size=4,
        max_overflow=28,
    )


def open_writer(path: Path, *, memory: str, spill: Path) -> Engine:
    """A file to build in."""
    config = {
        "memory_limit": memory,
        "temp_directory": str(spill),
        "preserve_insertion_order": "false",
        "storage_compatibility_version": STORAGE_VERSION,
    }
    engine = create_engine(f"duckdb:///{path}", connect_args={"config": config}, poolclass=NullPool)
    event.listen(engine, "connect", _utc)
    return engine


class Building:
    """The next generation while it is being built; one at a time, held by the refresh."""

    lost = ""  # why what was loaded before is not gone on from

    def __init__(self, home: Home, number: int, *, memory: str, resumed: bool) -> None:
        self.home = home
        self.number = number
        self.resumed = resumed
        self.folder = home.generation(number)
        self.commits = Lock()  # windows are read in parallel and committed one at a time
        self._spill = self.folder / "spill"
        self._memory = memory
        shutil.rmtree(self._spill, ignore_errors=True)
        self._open_private()
        try:
            with self.connect() as connection:
                ensure_raw_tables(connection)
        except BaseException:
            self.abandon()
            raise

    def _open_private(self) -> None:
        self.engine = open_writer(self.folder / PRIVATE, memory=self._memory, spill=self._spill)
        self._open = self.engine.connect()  # keeps the database open between steps

    def rewrite(self) -> None:
        """Write what was loaded into a new file, so that nothing deleted is left in its bytes.

        What the models built is left out: they build it again. Nobody else may be at work on it.
        """
        fresh = self.folder / "fresh.duckdb"
        files.remove(fresh)
        with self.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(
                f"attach '{files.quoted(fresh)}' as fresh (storage_version '{STORAGE_VERSION}')"
            )
            for table in loaded_tables(connection):
                connection.exec_driver_sql(
                    f'create table fresh."{table}" as from {PRIVATE_NAME}."{table}"'
                )
            connection.exec_driver_sql("checkpoint fresh")
            connection.exec_driver_sql("detach fresh")
        self.abandon()
        sync(fresh)
        # What is in it was written into the database when that was closed.
        (self.folder / f"{PRIVATE}.wal").unlink(missing_ok=True)
        fresh.replace(self.folder / PRIVATE)
        sync(self.folder)
        self._open_private()

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection to the private store that commits when the block ends well."""
        with self.engine.begin() as connection:
            yield connection

    def modelling(self) -> AbstractContextManager[Connection]:
        """The private store itself."""
        return self.connect()

    def copy_marts(
        self, marts: Grains, people: Grains = NO_TABLES, _beside: tuple[str, ...] = ()
    ) -> None:
        """Write the files that readers open, straight from the private store."""
        files.write_files(self.engine, self.folder, marts, people)

    @contextmanager
    def copied(self) -> Iterator[Connection]:
        """The private store itself, which holds all that is published."""
        with self.connect() as connection:
            yield connection

    def write_viewers(self, write: Callable[..., None]) -> None:
        """Write the file that viewers' pages open."""
        files.write_viewers(self.engine, self.home, self.folder, write)

    def close(self) -> None:
        """Make the generation durable. After this nothing in its folder changes any more."""
        with self.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("checkpoint")
        self.abandon()
        shutil.rmtree(self._spill, ignore_errors=True)
        generations.make_durable(self.home, self.number)

    def abandon(self) -> None:
        """Let go of the database; the next refresh goes on from what was committed."""
        self._open.close()
        self.engine.dispose()

    def discard(self) -> None:
        """Let go of a database that cannot be trusted, and free its space."""
        self.abandon()
        shutil.rmtree(self.folder, ignore_errors=True)


class DuckDb:
    """The embedded engine, for those who run on one computer."""

    @contextmanager
    def alone(self, _home: Home) -> Iterator[None]:
        """Nobody else can be at work: the lock of the home folder is enough."""
        yield

    def begin(self, home: Home, *, memory: str) -> Building:
        """Start the next generation from a copy of the published file."""
        published = generations.current_generation(home)
        building = self._begun(home, memory)
        if published is not None and not self.holds(home, published):
            building.lost = generations.not_here(published)
        return building

    def _begun(self, home: Home, memory: str) -> Building:
        home.generations.mkdir(mode=0o700, parents=True, exist_ok=True)
        published = generations.current_generation(home)
        whole = published is not None and self.holds(home, published)
        base = str(published if whole else None)
        numbers = generations.numbers(home)
        for number in reversed(numbers):
            if number != published and generations.mark_of(home, number) == base:
                try:
                    return self.building(home, number, memory=memory, resumed=True)
                except DBAPIError:
                    break  # a power cut may leave it so; it was never published
        # Numbers are never used twice: a page may still hold one that was rolled back.
        number = max([*numbers, published or 0]) + 1
        folder = generations.new_folder(home, number, "copying")
        for old in numbers:
            generations.clear(home, old, published)
        try:
            if published is not None and whole:
                shutil.copyfile(home.generation(published) / PRIVATE, folder / PRIVATE)
        except OSError:
            shutil.rmtree(folder)
            raise
        # Only now may a later run go on from here: before this line the copy was not complete.
        generations.set_mark(home, number, base)
        try:
            return self.building(home, number, memory=memory, resumed=False)
        except DBAPIError:
            if not whole:
                raise
            # The published private store is damaged: everything is read anew from the sources, from
            # the beginning where this ends before it is done, so that the next run says so too.
            (folder / PRIVATE).unlink()
            generations.set_mark(home, number, "None")
            building = self.building(home, number, memory=memory, resumed=False)
            building.lost = f"The private store of generation {published} is damaged"
            return building

    def building(self, home: Home, number: int, *, memory: str, resumed: bool) -> Building:
        """Open a generation that has its folder to build in it."""
        return Building(home, number, memory=memory, resumed=resumed)

    def publish(self, home: Home, number: int) -> None:
        """Point pages at a closed generation, and drop the oldest ones."""
        generations.point_at(home, number)

    def holds(self, home: Home, number: int) -> bool:
        """Whether the private store of a closed generation is here."""
        return (home.generation(number) / PRIVATE).is_file()

    def rollback(self, home: Home, number: int) -> None:
        """Point pages at an earlier generation; what is after it is left."""
        generations.leave_after(home, number)
        generations.point_at(home, number)

    def drop_others(self, home: Home, number: int) -> int:
        """Remove every generation but this one."""
        return generations.keep_only(home, number)

    def receive(
        self, home: Home, number: int, store: Connection, names: Sequence[str]
    ) -> "Receiving":
        """Take in a generation's private store from another engine."""
        from attribution.engines.duckdb_moving import Receiving

        return Receiving(home, number, store, names)

    def open_private(self, home: Home, number: int) -> Engine:
        """The private store of a closed generation, read-only."""
        return open_reader(home.generation(number) / PRIVATE)

    @contextmanager
    def asked(self, home: Home, number: int) -> Iterator[Any]:
        """DuckDB's own driver on the private store of a closed generation."""
        engine = self.open_private(home, number)
        try:
            with engine.connect() as connection:
                yield connection.connection.driver_connection
        finally:
            engine.dispose()

    def space(self, home: Home) -> tuple[int, int]:
        """Bytes free where the home folder is, and bytes that the next refresh may need."""
        return shutil.disk_usage(home.folder).free, 3 * generations.bytes_of(home)

    def findings(self, _home: Home) -> Iterator[tuple[str, bool, str]]:
        """Nothing: the doctor looks at the home folder itself."""
        yield from ()


def _utc(connection: object, _record: object) -> None:
    connection.execute("set timezone = 'UTC'")  # type: ignore[attr-defined]
