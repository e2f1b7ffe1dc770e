"""The table of one model: its SELECT run on the engine, or what Python makes of its rows."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection

from attribution.engine_sql import spoken, written_for
from attribution.raw import fetch, lent
from attribution.sql_models import Model, Solve
from attribution.statements import number, run

# So many rows of a table are worked on at once where a model is built in parts: some 80 bytes of
# each are ordered at a time, for each group of kinds of conversion that are alike.
ROWS_OF_A_PART = 5_000_000
_NUMERIC = 1700  # what PostgreSQL's catalogue numbers its decimals


def make_table(connection: Connection, model: Model) -> int:
    """Build a model's table; answers how many keys of its grain are there twice."""
    twice = keys_twice(model)
    if model.solve is not None:
        _write(connection, model, _solved(connection, model, model.solve))
    elif connection.dialect.name == "duckdb":
        # In one go: the driver reads the text of a statement that answers with a count letter by
        # letter, which took a fifth of the build.
        first, *others = in_parts(model, partial(number, connection))
        made = f"create or replace table {model.name} as\n{first}"
        for other in others:
            run(connection, made)
            made = f"insert into {model.name}\n{other}"
        # Keys are told apart by their hash, which takes far less memory than their text; where two
        # are alike in it, they are looked at themselves.
        hashed = keys_twice(model, key=f"hash({', '.join(model.grain)})")
        return number(connection, f"{made}\n;\n{hashed}") and number(connection, twice)
    else:
        run(connection, f"drop table if exists {model.name}")
        # Texts take PostgreSQL longer to put in order than to add up what stands beside them, and
        # nobody reads a table in the order that it was written in.
        written = written_for(connection.dialect.name, model.query, ordered=False)
        written = _with_plain_numbers(connection, written)
        run(connection, f"create table {model.name} as\n{written}")
        # A plan for a table that nobody has counted can take a hundred times as long.
        run(connection, f"analyze {model.name}")
    return number(connection, twice)


def make_table_on_cluster(connection: Connection, model: Model, *, there: bool) -> None:
    """Build a model's table where workers write its files beside each other.

    Nobody changes one in place, so that a table that is there already goes first.
    """
    if there:
        run(connection, f"drop table {model.name}")
    if model.solve is not None:
        _write(connection, model, _solved(connection, model, model.solve))
    else:
        run(connection, f"create table {model.name} as\n{written_for('spark', model.query)}")


def is_large(connection: Connection) -> bool:
    """Whether so much was loaded that it matters how DuckDB plans."""
    loaded = (
        "select coalesce(max(estimated_size), 0) from duckdb_tables() where not internal"
        " and database_name = current_database()"
    )
    return number(connection, loaded) >= ROWS_OF_A_PART // 10


def keys_twice(model: Model, beside: str = "", key: str = "") -> str:
    """SQL for how many keys of a model's grain, or values of another key, are there twice."""
    key = key or ", ".join(model.grain)
    return (
        f"select {beside}count(*) as keys from (select {key} from {model.name}"
        f" group by {key} having count(*) > 1) as twice"
    )


def _solved(connection: Connection, model: Model, solve: Solve) -> pd.DataFrame:
    """What Python makes of what a model's SQL counted, and of the tables beside it."""
    beside = [f"select * from {table}" for table in model.beside]
    return solve(*(_fetched(connection, sql) for sql in (model.query, *beside)))


def in_parts(model: Model, count: Callable[[str], int]) -> list[str]:
    """The query for one part of the rows after the other; the whole of it where they are few.

    `count` answers SQL that asks for one number.
    """
    if not model.parts:
        return [model.query]
    tables, by = model.parts.split(" by ")
    column, _, times = by.partition(" times ")
    rows = sum(count(f"select count(*) from {table}") for table in tables.split(" and "))
    parts = -(-rows // (ROWS_OF_A_PART * int(times or 1)))
    if parts < 2:
        return [model.query]
    # What is left of a number below nought is below nought too.
    own = [f"{column} % {parts} in ({part}, -{part})" for part in range(parts)]
    return [model.query.replace(f"{column} % 1 = 0", some) for some in own]


def _with_plain_numbers(connection: Connection, query: str) -> str:
    """A query whose decimals without bounds are double precision.

    PostgreSQL adds whole numbers up to such a decimal, and everything up that is of decimals.
    """
    described: Any = run(
        connection, f"select * from ({query}) as shaped limit 0"
    ).cursor.description
    columns = [
        (str(column.name), column.type_code == _NUMERIC and column.precision is None)
        for column in described
    ]
    if not any(decimal for _, decimal in columns):
        return query
    listed = ", ".join(
        f'cast("{name}" as double precision) as "{name}"' if decimal else f'"{name}"'
        for name, decimal in columns
    )
    return f"select {listed} from ({query}) as shaped"


def _fetched(connection: Connection, query: str) -> pd.DataFrame:
    """The rows of a query by column, with its types; in no order."""
    frame: pd.DataFrame = fetch(connection, query).to_pandas()
    return frame


def _write(connection: Connection, model: Model, frame: pd.DataFrame) -> None:
    """Make a table of what Python solved: text, whole numbers, numbers, flags and days."""
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    # A column that holds nothing has no type of its own: it is text, as all else that is not a
    # number.
    known = [f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in arrow.schema]
    with lent(connection, arrow.cast(pa.schema(known))) as incoming:
        for statement in spoken(
            connection.dialect.name, f"create or replace table {model.name} as from {incoming}"
        ):
            run(connection, statement)
