"""Whole tables from an engine into DuckDB, by Arrow, some rows at a time."""

from itertools import chain
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection

from attribution.raw import batches, fetch

_BATCH = 100_000


def carry(source: Connection, driver: Any, table: str) -> None:
    """Make a table of DuckDB, by its driver, of the one of that name elsewhere."""
    rows = batches(source, f'select * from "{table}"', _BATCH)
    first = next(rows, None)
    # Only a table without rows is asked twice.
    shape = fetch(source, f'select * from "{table}" limit 0') if first is None else first
    some = () if first is None else (first,)
    driver.register("carried", pa.RecordBatchReader.from_batches(shape.schema, chain(some, rows)))
    try:
        driver.execute(f'create or replace table "{table}" as from carried')
    finally:
        driver.unregister("carried")
