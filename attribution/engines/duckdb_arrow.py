"""Arrow in and out of DuckDB, which reads and writes it as it stands in memory."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


@contextmanager
def lent(connection: Connection, table: pa.Table) -> Iterator[str]:
    """Lend an Arrow table for the length of a block, under the name it yields."""
    driver: Any = connection.connection.driver_connection
    driver.register("incoming", table)
    try:
        yield "incoming"
    finally:
        driver.unregister("incoming")


def fetch(connection: Connection, sql: str) -> pa.Table:
    """What a query answers, as Arrow."""
    driver: Any = connection.connection.driver_connection
    table: pa.Table = driver.execute(sql).to_arrow_table()
    return table


def batches(connection: Connection, sql: str, size: int) -> Iterator[pa.RecordBatch]:
    """What a query answers, as Arrow in parts of at most `size` rows."""
    driver: Any = connection.connection.driver_connection
    yield from driver.execute(sql).to_arrow_reader(size)


def tables(connection: Connection) -> list[str]:
    """The tables of the private store by name, without temporary ones."""
    rows = connection.exec_driver_sql(
        "select table_name from duckdb_tables() where database_name = current_database() and "
        "not temporary order by table_name"
    )
    return [str(name) for (name,) in rows]


def columns(connection: Connection, table: str) -> dict[str, str]:
    """The columns of a table and their types, in order; none where there is no such table."""
    try:
        # The catalogue would be asked about every table there is.
        rows = connection.exec_driver_sql(f"describe {table}").all()
    except DBAPIError:
        return {}
    return {str(name): str(kind) for name, kind, *_ in rows}


def replace_texts(
    connection: Connection, table: str, names: Sequence[str], of: Callable[[pa.Array], pa.Array]
) -> None:
    """Put what a function gives for each text in its place, in some columns of a table."""
    if not names:
        return
    driver: Any = connection.connection.driver_connection
    driver.create_function("of_each", of, ["VARCHAR"], "VARCHAR", type="arrow")
    try:
        every = ", ".join(f'of_each("{name}") as "{name}"' for name in names)
        connection.exec_driver_sql(
            f"create or replace table {table} as select * replace ({every}) from {table}"
        )
    finally:
        driver.remove_function("of_each")
