"""The files that readers open, written by DuckDB from a database that holds what is published."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import Engine

from attribution.generations import MARTS, PEOPLE, VIEWERS, current_generation
from attribution.paths import Home

# The default of 1.5 would silently replay a stale write-ahead log found beside the file.
STORAGE_VERSION = "v1.5.0"
Grains = Mapping[str, Sequence[str]]  # the columns of each table's grain, by its name
NO_TABLES: Grains = MappingProxyType({})


def write_files(engine: Engine, folder: Path, marts: Grains, people: Grains) -> None:
    """Write aggregates into one file, what is of people into another.

    Each table is ordered by its grain.
    """
    _write(engine, folder / MARTS, marts)
    _write(engine, folder / PEOPLE, people)


def _write(engine: Engine, path: Path, grains: Grains) -> None:
    path.unlink(missing_ok=True)
    with engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql(
            f"attach '{quoted(path)}' as copied (storage_version '{STORAGE_VERSION}')"
        )
        for table, grain in grains.items():
            connection.exec_driver_sql(
                f'create table copied."{table}" as from "{table}" order by {", ".join(grain)}'
            )
        connection.exec_driver_sql("checkpoint copied")
        connection.exec_driver_sql("detach copied")


def write_viewers(engine: Engine, home: Home, folder: Path, write: Callable[..., None]) -> None:
    """Write the file that viewers' pages open, beside what the last one published told.

    `write(connection, follows=...)` finds the new file attached as `viewers` and, where it
    `follows` one, the published one as `before`.
    """
    path = folder / VIEWERS
    path.unlink(missing_ok=True)
    published = current_generation(home)
    before = None if published is None else home.generation(published) / VIEWERS
    follows = before is not None and before.is_file()
    with engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql(
            f"attach '{quoted(path)}' as viewers (storage_version '{STORAGE_VERSION}')"
        )
        if before is not None and follows:
            connection.exec_driver_sql(f"attach '{quoted(before)}' as before (read_only)")
        try:
            write(connection, follows=follows)
            connection.exec_driver_sql("checkpoint viewers")
        finally:
            connection.exec_driver_sql("detach viewers")
            if follows:
                connection.exec_driver_sql("detach before")


def remove(path: Path) -> None:
    """Remove a DuckDB file and its write-ahead log."""
    for each in (path, path.with_name(f"{path.name}.wal")):
        with suppress(FileNotFoundError):
            each.unlink()


def quoted(path: Path) -> str:
    """A path as it stands in SQL between single quotes."""
    return str(path).replace("'", "''")
