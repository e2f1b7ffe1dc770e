"""The raw tables: what the contract becomes in the private store, and how Arrow gets in and out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pyarrow as pa
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    CursorResult,
    Date,
    DateTime,
    Double,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import TypeEngine

from attribution.engines import Arrow, arrow_of
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
# Tables of a private store, beside the raw ones, that no model builds anew.
KEPT = ("cursor", "hashed_under", "known_source", "to_rewrite")
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
# Who told outreach itself to leave them alone: likewise.
_STOPPED = Table(
    "raw_stopped",
    _METADATA,
    *(Column(name, Text()) for name in ("source", "identifier", "channel", "purpose")),
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
    there = set(tables(connection))
    missing = [table for table in _METADATA.sorted_tables if table.name not in there]
    if missing:  # in one go: a statement for each of them takes the engine three times as long
        dialect = connection.dialect
        made = (str(CreateTable(table).compile(dialect=dialect)) for table in missing)
        connection.exec_driver_sql(";".join(made))
    for table in _METADATA.sorted_tables:
        if table.name not in there:
            continue
        present = columns(connection, table.name)
        for column in table.columns:
            if column.name not in present:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(
                    f'alter table "{table.name}" add column "{column.name}" {kind}'
                )


def loaded_tables(connection: Connection) -> list[str]:
    """Every table of a private store that no model builds anew, by name."""
    return [name for name in tables(connection) if name.startswith("raw_") or name in KEPT]


def tables(connection: Connection) -> list[str]:
    """The tables of a private store, by name; none that are of one connection only."""
    return _arrow(connection).tables(connection)


def columns(connection: Connection, table: str) -> dict[str, str]:
    """The columns of a table and their types as the engine calls them; none where it is missing."""
    return _arrow(connection).columns(connection, table)


def changed(result: CursorResult[Any]) -> int:
    """How many rows a statement has put in, changed or taken away."""
    # DuckDB answers with a count, others say it beside the answer.
    return int(result.scalar_one()) if result.returns_rows else result.rowcount


def cursors(connection: Connection, source: str, account: str) -> dict[str, str]:
    """The cursors that the source's slices have committed."""
    rows = connection.exec_driver_sql(
        "select cursor_key, value from cursor where source = ? and account = ?", (source, account)
    )
    return {str(key): str(value) for key, value in rows}


def lent(connection: Connection, table: pa.Table) -> AbstractContextManager[str]:
    """Lend an Arrow table to the engine for the length of a block, under the name it yields."""
    return _arrow(connection).lent(connection, table)


def fetch(connection: Connection, sql: str) -> pa.Table:
    """What a query answers, as Arrow."""
    return _arrow(connection).fetch(connection, sql)


def batches(connection: Connection, sql: str, size: int) -> Iterator[pa.RecordBatch]:
    """What a query answers, as Arrow in parts of at most `size` rows."""
    return _arrow(connection).batches(connection, sql, size)


def replace_texts(
    connection: Connection, table: str, names: Sequence[str], of: Callable[[pa.Array], pa.Array]
) -> None:
    """Put what a function of whole columns gives for each text in its place, in some columns."""
    _arrow(connection).replace_texts(connection, table, names, of)


def _arrow(connection: Connection) -> Arrow:
    return arrow_of(connection.dialect.name)
