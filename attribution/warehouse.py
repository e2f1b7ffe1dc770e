"""The warehouse: the only module that opens databases other than the ledger and the vault.

A refresh never changes what pages read. It works on the next generation's own folder, closes it,
makes it durable, and only then moves the pointer `CURRENT`; a power cut at any instant leaves the
old generation or the new one, whole. New generation, new path: DuckDB keeps serving the old data
when a replaced file is opened again in one process.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import MappingProxyType

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from attribution.at_rest import sync, write_whole
from attribution.errors import StorageError
from attribution.paths import Home
from attribution.raw import ensure_raw_tables, loaded_tables

KEPT_GENERATIONS = 4
PRIVATE, PEOPLE, MARTS = "private.duckdb", "people.duckdb", "marts.duckdb"
PRIVATE_NAME = "private"  # as the engine calls an open private store
VIEWERS = "viewers.duckdb"
# The default of 1.5 would silently replay a stale write-ahead log found beside the file.
STORAGE_VERSION = "v1.5.0"
Grains = Mapping[str, Sequence[str]]  # the columns of each table's grain, by its name
_NO_TABLES: Grains = MappingProxyType({})
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


def current_generation(home: Home) -> int | None:
    """The number of the published generation; None before the first refresh."""
    try:
        return int(home.current.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise StorageError(
            f"{home.current} does not hold a generation's number. Run `caretrace rollback`."
        ) from None


def open_marts(home: Home, generation: int, *, protected: bool = False) -> Engine:
    """The published marts of one generation, read-only, with everything else switched off.

    Where `protected`, those in which no cell is of fewer than eleven people.
    """
    return _open_reader(home.generation(generation) / (VIEWERS if protected else MARTS))


def holds_viewers(home: Home, generation: int) -> bool:
    """Whether a generation has marts for viewers; those of earlier versions have none."""
    return (home.generation(generation) / VIEWERS).is_file()


def open_people(home: Home, generation: int) -> Engine:
    """The published journeys of single people, as locked down as the marts."""
    return _open_reader(home.generation(generation) / PEOPLE)


def open_private(home: Home, generation: int) -> Engine:
    """The private store of a closed generation, read-only."""
    return _open_reader(home.generation(generation) / PRIVATE)


def _open_reader(path: Path) -> Engine:
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


class Building:
    """The next generation while it is being built; one at a time, held by the refresh."""

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
        config = {
            "memory_limit": self._memory,
            "temp_directory": str(self._spill),
            "preserve_insertion_order": "false",
            "storage_compatibility_version": STORAGE_VERSION,
        }
        self.engine = create_engine(
            f"duckdb:///{self.folder / PRIVATE}",
            connect_args={"config": config},
            poolclass=NullPool,
        )
        event.listen(self.engine, "connect", _utc)
        self._open = self.engine.connect()  # keeps the database open between steps

    def rewrite(self) -> None:
        """Write what was loaded into a new file, so that nothing deleted is left in its bytes.

        What the models built is left out: they build it again. Nobody else may be at work on it.
        """
        fresh = self.folder / "fresh.duckdb"
        for path in (fresh, fresh.with_name(f"{fresh.name}.wal")):
            path.unlink(missing_ok=True)
        with self.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(
                f"attach '{_quoted(fresh)}' as fresh (storage_version '{STORAGE_VERSION}')"
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

    def copy_marts(self, marts: Grains, people: Grains = _NO_TABLES) -> None:
        """Write the files that readers open: aggregates into one, what is of people into another.

        Each table is ordered by its grain.
        """
        self._copy(MARTS, marts)
        self._copy(PEOPLE, people)

    def _copy(self, name: str, grains: Grains) -> None:
        path = self.folder / name
        path.unlink(missing_ok=True)
        with self.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(
                f"attach '{_quoted(path)}' as copied (storage_version '{STORAGE_VERSION}')"
            )
            for table, grain in grains.items():
                connection.exec_driver_sql(
                    f'create table copied."{table}" as from "{table}" order by {", ".join(grain)}'
                )
            connection.exec_driver_sql("checkpoint copied")
            connection.exec_driver_sql("detach copied")

    def write_viewers(self, write: Callable[..., None]) -> None:
        """Write the file that viewers' pages open, beside what the last one published told.

        `write(connection, follows=...)` finds the new file attached as `viewers` and, where it
        `follows` one, the published one as `before`.
        """
        path = self.folder / VIEWERS
        path.unlink(missing_ok=True)
        published = current_generation(self.home)
        before = None if published is None else self.home.generation(published) / VIEWERS
        follows = before is not None and before.is_file()
        with self.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(
                f"attach '{_quoted(path)}' as viewers (storage_version '{STORAGE_VERSION}')"
            )
            if before is not None and follows:
                connection.exec_driver_sql(f"attach '{_quoted(before)}' as before (read_only)")
            try:
                write(connection, follows=follows)
                connection.exec_driver_sql("checkpoint viewers")
            finally:
                connection.exec_driver_sql("detach viewers")
                if follows:
                    connection.exec_driver_sql("detach before")

    def close(self) -> None:
        """Make the generation durable. After this nothing in its folder changes any more."""
        with self.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("checkpoint")
        self.abandon()
        shutil.rmtree(self._spill, ignore_errors=True)
        left = sorted(path.name for path in self.folder.glob("*.wal"))
        if left:
            raise StorageError(f"Generation {self.number} was not closed whole: {left} was left.")
        every = (self.folder / name for name in (PRIVATE, PEOPLE, MARTS, VIEWERS))
        for path in (path for path in every if path.is_file()):
            path.chmod(0o600)
            sync(path)
        sync(self.folder)
        sync(self.folder.parent)

    def abandon(self) -> None:
        """Let go of the database; the next refresh goes on from what was committed."""
        self._open.close()
        self.engine.dispose()

    def discard(self) -> None:
        """Let go of a database that cannot be trusted, and free its space."""
        self.abandon()
        shutil.rmtree(self.folder, ignore_errors=True)


def begin(home: Home, *, memory: str = "2GB") -> Building:
    """Start the next generation from the published one.

    Where a killed refresh left one unfinished, its committed windows are kept and gone on from;
    if its database does not open any more, it is thrown away and begun anew.
    """
    home.generations.mkdir(mode=0o700, parents=True, exist_ok=True)
    published = current_generation(home)
    whole = published is not None and (home.generation(published) / PRIVATE).is_file()
    base = str(published if whole else None)
    numbers = sorted(_generations(home))
    for number in reversed(numbers):
        if number != published and _mark_of(home, number) == base:
            try:
                return Building(home, number, memory=memory, resumed=True)
            except DBAPIError:
                break  # a power cut may leave it so; it was never published
    # Numbers are never used twice: a page may still hold one that was rolled back.
    number = max([*numbers, published or 0]) + 1
    folder = home.generation(number)
    folder.mkdir(mode=0o700)
    write_whole(_mark(home, number), "copying".encode("ascii"))
    for old in numbers:
        if old == published:
            _mark(home, old).unlink(missing_ok=True)
        elif _mark_of(home, old) is not None or not (home.generation(old) / MARTS).is_file():
            shutil.rmtree(home.generation(old))
    try:
        if published is not None and whole:
            shutil.copyfile(home.generation(published) / PRIVATE, folder / PRIVATE)
    except OSError:
        shutil.rmtree(folder)
        raise
    # Only now may a later run go on from here: before this line the copy was not complete.
    write_whole(_mark(home, number), base.encode("ascii"))
    try:
        return Building(home, number, memory=memory, resumed=False)
    except DBAPIError:
        if not whole:
            raise
        # The published private store is damaged: everything is read anew from the sources.
        (folder / PRIVATE).unlink()
        return Building(home, number, memory=memory, resumed=False)


def publish(home: Home, number: int) -> None:
    """Point pages at a closed generation, and drop the oldest ones."""
    write_whole(home.current, str(number).encode("ascii"))
    _mark(home, number).unlink(missing_ok=True)
    sync(home.generation(number))
    for old in _finished(home, until=number)[:-KEPT_GENERATIONS]:
        shutil.rmtree(home.generation(old), ignore_errors=True)


def rollback(home: Home) -> int:
    """Point pages at the generation before the published one, and return its number.

    What is left behind is never gone on from, nor gone back to; the next refresh drops it.
    """
    try:
        present = current_generation(home)
    except StorageError:
        present = None
    before = _finished(home, until=None if present is None else present - 1)
    if not before:
        raise StorageError("There is no earlier generation to go back to.")
    for left in _generations(home):
        if left > before[-1]:
            write_whole(_mark(home, left), "rolled back".encode("ascii"))
    publish(home, before[-1])
    return before[-1]


def kept(home: Home) -> list[int]:
    """Every generation that was published once and can be gone back to, in order."""
    return _finished(home, until=None)


def drop_others(home: Home, number: int) -> int:
    """Remove every generation but this one; returns how many there were. Pages must read it."""
    others = [old for old in sorted(_generations(home)) if old != number]
    for old in others:
        shutil.rmtree(home.generation(old), ignore_errors=True)
    sync(home.generations)
    return len(others)


def free_space(home: Home) -> tuple[int, int]:
    """Bytes free where the home folder is, and bytes that the next refresh may need."""
    base = current_generation(home)
    folder = home.generation(base) if base is not None else None
    used = sum(p.stat().st_size for p in folder.iterdir() if p.is_file()) if folder else 0
    return shutil.disk_usage(home.folder).free, 3 * used


def _generations(home: Home) -> list[int]:
    if not home.generations.is_dir():
        return []
    return [int(path.name) for path in home.generations.iterdir() if path.name.isdigit()]


def _finished(home: Home, *, until: int | None) -> list[int]:
    """Generations that were published once, in order, up to `until`."""
    return [
        number
        for number in sorted(_generations(home))
        if (until is None or number <= until)
        and _mark_of(home, number) is None
        and (home.generation(number) / MARTS).is_file()
    ]


def _mark(home: Home, number: int) -> Path:
    """The file that says that a generation was not, or must not be, published."""
    return home.generation(number) / "unfinished"


def _mark_of(home: Home, number: int) -> str | None:
    """What the mark says: the generation it goes on from, or why it must not be gone on from."""
    try:
        return _mark(home, number).read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return None


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _utc(connection: object, _record: object) -> None:
    connection.execute("set timezone = 'UTC'")  # type: ignore[attr-defined]
