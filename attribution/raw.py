"""The raw tables: what the contract becomes in the private store, and how Arrow gets in and out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Double,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.types import TypeEngine

from attribution.privacy import STRENGTH, stored_fields
from connectors.contract import ROWS, Kind, Row, contract_fields

_TYPES: dict[Kind, TypeEngine[Any]] = {
    "text": Text(),
    "integer": BigInteger(),
    "number": Double(),
    "flag": Boolean(),
    "day": Date(),
    "instant": DateTime(timezone=True),
    "money": BigInteger(),
}
_METADATA = MetaData()
_REJECTED = Table(
    "raw_rejected",
    _METADATA,
    *(Column(name, Text()) for name in ("source", "account", "slice", "file")),
    Column("row_number", BigInteger()),
    *(Column(name, Text()) for name in ("table_name", "column_name", "shape", "reason", "run_id")),
    Column("loaded_at", DateTime(timezone=True)),
    # By what a reject is found again: the hash of the row's key, and the days that were read.
    *(Column(name, Text()) for name in ("cursor_key", "record")),
    *(Column(name, Date()) for name in ("first_day", "last_day")),
)
# Whom outreach left out for the frequency cap, and when: told by it anew at each refresh.
_CAPPED = Table(
    "raw_capped",
    _METADATA,
    *(Column(name, Text()) for name in ("source", "flow", "identifier")),
    Column("at", DateTime(timezone=True)),
)
_CURSOR = Table(
    "cursor",
    _METADATA,
    *(Column(name, Text()) for name in ("source", "account", "cursor_key", "value", "run_id")),
)


def has_person(row: type[Row]) -> bool:
    """Whether rows of this kind point at a person, and so carry `identifier`."""
    return any(f.identifier in STRENGTH for f in contract_fields(row))


def raw_table(row: type[Row]) -> Table:
    """The raw table of a kind of row: its contract columns and what the loader adds."""
    name = f"raw_{row.spec.table}"
    if name in _METADATA.tables:
        return _METADATA.tables[name]
    own = [Column(f.column, _TYPES[f.kind]) for f in stored_fields(row)]
    if has_person(row):
        own.append(Column("identifier", Text()))
    return Table(
        name,
        _METADATA,
        Column("source", Text()),
        Column("account", Text()),
        *own,
        Column("run_id", Text()),
        Column("loaded_at", DateTime(timezone=True)),
    )


def ensure_raw_tables(connection: Connection) -> None:
    """Create the raw tables that are missing, and add columns that the contract has gained."""
    for row in ROWS:
        raw_table(row)
    _METADATA.create_all(connection, checkfirst=True)
    for table in _METADATA.sorted_tables:
        described = connection.exec_driver_sql(f'describe "{table.name}"')
        present = {name for name, *_ in described.fetchall()}
        for column in table.columns:
            if column.name not in present:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(
                    f'alter table "{table.name}" add column "{column.name}" {kind}'
                )


def loaded_tables(connection: Connection) -> list[str]:
    """Every table of a private store that no model builds anew."""
    rows = connection.exec_driver_sql(
        "select table_name from duckdb_tables() where database_name = current_database() and "
        "not temporary and (starts_with(table_name, 'raw_') or table_name in "
        "('cursor', 'hashed_under', 'to_rewrite')) order by table_name"
    )
    return [str(name) for (name,) in rows]


def cursors(connection: Connection, source: str, account: str) -> dict[str, str]:
    """The cursors that the source's slices have committed."""
    rows = connection.exec_driver_sql(
        "select cursor_key, value from cursor where source = ? and account = ?", (source, account)
    )
    return {str(key): str(value) for key, value in rows}


@contextmanager
def lent(connection: Connection, table: pa.Table) -> Iterator[str]:
    """Lend an Arrow table to the engine for the length of a block, under the name it yields."""
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


@contextmanager
def function(
    connection: Connection, name: str, of: Callable[[pa.Array], pa.Array]
) -> Iterator[None]:
    """Let SQL call a function of texts, which gets and gives a whole column, inside a block."""
    driver: Any = connection.connection.driver_connection
    driver.create_function(name, of, ["VARCHAR"], "VARCHAR", type="arrow")
    try:
        yield
    finally:
        driver.remove_function(name)
