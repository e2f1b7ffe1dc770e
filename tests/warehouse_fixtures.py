"""A warehouse in memory: raw tables from the contract, filled with contract rows.

Identity here is a plain mapping: whatever text a row carries as its strongest identifier is one
person, and the same text is the same person everywhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from attribution.loading import ensure_raw_tables, has_person
from attribution.models.parameters import CreditSettings, setting_tables
from attribution.privacy import STRENGTH
from attribution.seeds import SEEDS, read
from attribution.transform import build, load_models
from connectors.columns import to_table
from connectors.contract import Row, contract_fields

LOADED_AT = datetime(2026, 1, 1, tzinfo=UTC)


class Warehouse:
    """A DuckDB in memory with every table that the models read."""

    def __init__(
        self,
        rows: Iterable[Row] = (),
        settings: CreditSettings | None = None,
        seeds: Mapping[str, pd.DataFrame] | None = None,
    ) -> None:
        self.engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)
        self.connection: Connection = self.engine.connect()
        self.connection.exec_driver_sql("set threads = 2")
        ensure_raw_tables(self.connection)
        for name, frame in {
            **{path.stem: read(path.stem) for path in sorted(SEEDS.glob("*.csv"))},
            **(seeds or {}),
            **setting_tables(settings or CreditSettings()),
        }.items():
            self.replace(name, frame)
        self.add(rows)

    def add(self, rows: Iterable[Row], source: str = "files", account: str = "main") -> None:
        """Load rows as the refresh does, and give every identifier its person."""
        by_kind = sorted(rows, key=lambda row: row.spec.table)
        for _, group in groupby(by_kind, key=type):
            self._insert(list(group), source, account)
        people = " union ".join(
            f"select identifier from {table}"
            for table in self.column(
                "select table_name from duckdb_columns()"
                " where column_name = 'identifier'"
                " and table_name like 'raw_%%' order by table_name"
            )
        )
        self.run(
            "create or replace table identity as select identifier,"
            f" row_number() over (order by identifier) as person_id from ({people})"
            " where identifier is not null"
        )

    def build(self) -> "Warehouse":
        """Build every model."""
        build(self.connection, load_models())
        return self

    def run(self, sql: str) -> None:
        self.connection.exec_driver_sql(sql)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in self.connection.exec_driver_sql(sql).all()]

    def column(self, sql: str) -> list[str]:
        return [str(row[0]) for row in self.rows(sql)]

    def frame(self, sql: str) -> pd.DataFrame:
        result = self.connection.exec_driver_sql(sql)
        return pd.DataFrame(result.all(), columns=list(result.keys()))

    def replace(self, name: str, table: pd.DataFrame | pa.Table) -> None:
        """Make a table of a frame, whatever was there before."""
        raw = self.connection.connection.dbapi_connection
        raw.register("incoming", table)
        self.run(f"create or replace table {name} as select * from incoming")
        raw.unregister("incoming")

    def close(self) -> None:
        self.connection.close()
        self.engine.dispose()

    def __enter__(self) -> "Warehouse":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _insert(self, rows: Sequence[Row], source: str, account: str) -> None:
        kind = type(rows[0])
        table = to_table(kind, rows)
        same = len(rows)
        extra = {
            "source": pa.array([source] * same),
            "account": pa.array([account] * same),
            "run_id": pa.array(["run"] * same),
            "loaded_at": pa.array([LOADED_AT] * same, pa.timestamp("us", "UTC")),
        }
        if has_person(kind):
            extra["identifier"] = pa.array([identifier(row) for row in rows], pa.string())
        for name, values in extra.items():
            table = table.append_column(name, values)
        raw = self.connection.connection.dbapi_connection
        raw.register("incoming", table)
        self.run(f"insert into raw_{kind.spec.table} by name select * from incoming")
        raw.unregister("incoming")


def identifier(row: Row) -> str | None:
    """The strongest identifier that a row carries."""
    marked = {f.identifier: f.name for f in contract_fields(type(row)) if f.identifier}
    for kind in STRENGTH:
        value = getattr(row, marked[kind]) if kind in marked else None
        if value:
            return str(value)
    return None
