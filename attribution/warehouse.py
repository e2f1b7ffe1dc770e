"""The warehouse: the only module that opens databases other than the ledger and the vault.

A refresh never changes what pages read. It works on the next generation's own folder, closes it,
makes it durable, and only then moves the pointer `CURRENT`; a power cut at any instant leaves the
old generation or the new one, whole. New generation, new path: DuckDB keeps serving the old data
when a replaced file is opened again in one process.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from attribution.errors import StorageError
from attribution.loading import ensure_raw_tables
from attribution.paths import Home

KEPT_GENERATIONS = 4
PRIVATE, MARTS = "private.duckdb", "marts.duckdb"
# The default of 1.5 would silently replay a stale write-ahead log found beside the file.
STORAGE_VERSION = "v1.5.0"
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


def open_marts(home: Home, generation: int) -> Engine:
    """The published marts of one generation, read-only, with everything else switched off."""
    return _open_reader(home.generation(generation) / MARTS)


def open_private(home: Home, generation: int) -> Engine:
    """The private store of a closed generation, read-only."""
    return _open_reader(home.generation(generation) / PRIVATE)


def _open_reader(path: Path) -> Engine:
    if not path.is_file():
        raise StorageError(f"{path} is missing. Run `caretrace refresh` to build it again.")
    # Pooled: a connection belongs to one thread at a time, and opening one costs more than most
    # queries do.
    return create_engine(
        f"duckdb:///{path}",
        connect_args={"config": _READER},
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
        spill = self.folder / "spill"
        config = {
            "memory_limit": memory,
            "temp_directory": str(spill),
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
        with self.connect() as connection:
            ensure_raw_tables(connection)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection to the private store that commits when the block ends well."""
        with self.engine.begin() as connection:
            yield connection

    def copy_marts(self, tables: Iterable[str]) -> None:
        """Write the marts into the file that pages will read."""
        path = self.folder / MARTS
        path.unlink(missing_ok=True)
        with self.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(
                f"attach '{_quoted(path)}' as marts (storage_version '{STORAGE_VERSION}')"
            )
            for table in tables:
                connection.exec_driver_sql(f'create table marts."{table}" as from "{table}"')
            connection.exec_driver_sql("checkpoint marts")
            connection.exec_driver_sql("detach marts")

    def close(self) -> None:
        """Make the generation durable. After this nothing in its folder changes any more."""
        with self.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("checkpoint")
        self.abandon()
        shutil.rmtree(self.folder / "spill", ignore_errors=True)
        left = sorted(path.name for path in self.folder.glob("*.wal"))
        if left:
            raise StorageError(f"Generation {self.number} was not closed whole: {left} was left.")
        for path in (self.folder / PRIVATE, self.folder / MARTS):
            path.chmod(0o600)
            _sync(path)
        _sync(self.folder)
        _sync(self.folder.parent)

    def abandon(self) -> None:
        """Let go of the database; the next refresh goes on from what was committed."""
        self._open.close()
        self.engine.dispose()


def begin(home: Home, *, memory: str = "2GB") -> Building:
    """Start the next generation from the published one.

    Where a killed refresh left one unfinished, its committed windows are kept and gone on from;
    if its database does not open any more, it is thrown away and begun anew.
    """
    home.generations.mkdir(mode=0o700, parents=True, exist_ok=True)
    base = current_generation(home)
    for number in sorted(_generations(home), reverse=True):
        mark = _mark(home, number)
        if not mark.exists():
            continue
        if number == base:
            mark.unlink()
        elif mark.read_text(encoding="ascii") == str(base) and _whole(home, number):
            try:
                return Building(home, number, memory=memory, resumed=True)
            except DBAPIError:
                shutil.rmtree(home.generation(number))
        else:
            shutil.rmtree(home.generation(number))
    number = max([*_generations(home), base or 0]) + 1
    folder = home.generation(number)
    folder.mkdir(mode=0o700)
    if base is not None:
        shutil.copyfile(home.generation(base) / PRIVATE, folder / PRIVATE)
    # Only now may a later run go on from here: before this line the copy was not complete.
    _mark(home, number).write_text(str(base), encoding="ascii")
    return Building(home, number, memory=memory, resumed=False)


def publish(home: Home, number: int) -> None:
    """Point pages at a closed generation, and drop the oldest ones."""
    partial = home.current.with_name("CURRENT.tmp")
    with partial.open("w", encoding="ascii") as file:
        file.write(str(number))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(home.current)
    _sync(home.folder)
    _mark(home, number).unlink(missing_ok=True)
    finished = [n for n in sorted(_generations(home)) if not _mark(home, n).exists()]
    for old in [n for n in finished if n <= number][:-KEPT_GENERATIONS]:
        shutil.rmtree(home.generation(old), ignore_errors=True)


def rollback(home: Home) -> int:
    """Point pages at the generation before the published one, and return its number.

    The generation that is left behind is dropped: it must not be gone on from.
    """
    present = current_generation(home)
    before = [
        number
        for number in sorted(_generations(home))
        if (present is None or number < present) and not _mark(home, number).exists()
    ]
    if not before:
        raise StorageError("There is no earlier generation to go back to.")
    publish(home, before[-1])
    return before[-1]


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


def _mark(home: Home, number: int) -> Path:
    return home.generation(number) / "unfinished"


def _whole(home: Home, number: int) -> bool:
    return (home.generation(number) / PRIVATE).is_file()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _utc(connection: object, _record: object) -> None:
    connection.execute("set timezone = 'UTC'")  # type: ignore[attr-defined]
