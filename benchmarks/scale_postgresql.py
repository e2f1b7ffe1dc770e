"""A PostgreSQL of its own for measurements, and how tables get there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import Processes
from sqlalchemy import Connection

from attribution import warehouse
from attribution.engines.duckdb import open_writer
from attribution.engines.postgresql_moving import receive
from attribution.paths import Home
from attribution.raw import ensure_raw_tables, tables
from attribution.statements import run

# What a touchpoint takes at the most while its models are built, tables, files and log together.
BYTES = 2_500


@contextmanager
def served() -> Iterator[Processes]:
    """A server for the block, and the variable that names it."""
    from engines_fixture import postgres  # of the tests: DuckDB is measured without them

    with postgres() as address:
        folder = Path(address.split("host=")[1])
        first = (folder / "postmaster.pid").read_text(encoding="ascii").splitlines()[0]
        processes = Processes([int(first)])
        os.environ["CARETRACE_WAREHOUSE"] = address.replace("postgresql:", "postgresql+psycopg:")
        try:
            yield processes
        finally:
            os.environ.pop("CARETRACE_WAREHOUSE", None)
            processes.close()


def fill(connection: Connection, folder: Path, statements: list[str]) -> None:
    """Run statements in a DuckDB beside the home, and bring what they made to the server."""
    path = folder / "filling.duckdb"
    engine = open_writer(path, memory="1GB", spill=folder / "filling")
    with engine.begin() as source:
        ensure_raw_tables(source)
        source.exec_driver_sql("create table identity (identifier varchar, person_id bigint)")
        for statement in statements:
            source.exec_driver_sql(statement)
        for name in tables(source):
            if source.exec_driver_sql(f"select count(*) from {name}").scalar_one():
                receive(source, connection, name, there=True)
    engine.dispose()
    path.unlink()


def stored(home: Home, generation: int) -> dict[str, float]:
    """Bytes of each table of a generation on the server, its indexes and long values with it."""
    with warehouse.open_private(home, generation).connect() as connection:
        rows = run(
            connection,
            "select relname, pg_total_relation_size(pg_class.oid) from pg_class inner join "
            "pg_namespace on relnamespace = pg_namespace.oid where relkind = 'r' and nspname in "
            f"('private_{generation}', 'marts_{generation}', 'people_{generation}')",
        ).all()
    return {str(name): float(size) for name, size in rows}
