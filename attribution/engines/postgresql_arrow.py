"""Arrow in and out of PostgreSQL: by COPY, as CSV that Arrow makes and reads.

On the connection itself, so that what was lent is of the same transaction, and what a transaction
has made can be fetched before it commits. Nothing is turned into Python's values on the way.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from attribution.dialects import written_for
from attribution.engines.postgresql_errors import raise_in_words
from attribution.errors import BadInput

LENT = "incoming"
_BLOCK = 1 << 24  # bytes of text that are read into one batch
_TYPES = (
    (pa.types.is_boolean, "boolean"),
    (lambda kind: pa.types.is_int8(kind) or pa.types.is_int16(kind), "smallint"),
    (lambda kind: pa.types.is_int32(kind) or pa.types.is_uint16(kind), "integer"),
    (pa.types.is_integer, "bigint"),
    (pa.types.is_floating, "double precision"),
    (pa.types.is_date, "date"),
)
_NUMERIC = 1700
# What PostgreSQL's catalogue numbers its types, as Arrow has them; all else is text.
_ARROW = {
    16: pa.bool_(),
    20: pa.int64(),
    21: pa.int16(),
    23: pa.int32(),
    700: pa.float32(),
    701: pa.float64(),
    # Sums of whole numbers are decimals without bounds there.
    _NUMERIC: pa.float64(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", "UTC"),
}


@contextmanager
def lent(connection: Connection, table: pa.Table) -> Iterator[str]:
    """Lend an Arrow table for the length of a block, under the name it yields."""
    table = _plain(table)
    described = ", ".join(f'"{field.name}" {_type_of(field.type)}' for field in table.schema)
    with _driver(connection) as driver, driver.cursor() as cursor:
        cursor.execute(f"drop table if exists pg_temp.{LENT}")
        cursor.execute(f"create temp table {LENT} ({described})")
        if len(table):
            with cursor.copy(f"copy pg_temp.{LENT} from stdin (format csv)") as copy:
                options = csv.WriteOptions(include_header=False, batch_size=65_536)
                csv.write_csv(table, _Sink(copy), options)
    yield LENT
    # Where the block failed, the transaction takes the table with it.
    with _driver(connection) as driver:
        driver.execute(f"drop table pg_temp.{LENT}")


def fetch(connection: Connection, sql: str) -> pa.Table:
    """What a query answers, as Arrow."""
    query, schema = _shape(connection, sql)
    return pa.Table.from_batches(_read(connection, query, schema), schema)


def batches(connection: Connection, sql: str, size: int) -> Iterator[pa.RecordBatch]:
    """What a query answers, as Arrow in parts of at most `size` rows."""
    query, schema = _shape(connection, sql)
    for batch in _read(connection, query, schema):
        for at in range(0, len(batch), size):
            yield batch.slice(at, size)


def tables(connection: Connection) -> list[str]:
    """The tables of the private store by name, without temporary ones."""
    with _driver(connection) as driver:
        rows = driver.execute(
            "select tablename from pg_tables where schemaname = any(current_schemas(false)) "
            "order by 1"
        ).fetchall()
    return [str(name) for (name,) in rows]


def columns(connection: Connection, table: str) -> dict[str, str]:
    """The columns of a table and their types, in order; none where there is no such table."""
    with _driver(connection) as driver:
        rows = driver.execute(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute "
            "where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum",
            (table,),
        ).fetchall()
    return {str(name): str(kind) for name, kind in rows}


def replace_texts(
    connection: Connection, table: str, names: Sequence[str], of: Callable[[pa.Array], pa.Array]
) -> None:
    """Put what a function gives for each text in its place, in some columns of a table."""
    for name in names:
        known = fetch(
            connection,
            f'select distinct "{name}" as before from {table} where "{name}" is not null',
        ).column("before")
        if not len(known):
            continue
        after = of(known.combine_chunks())
        with (
            lent(connection, pa.table({"before": known, "after": after})) as found,
            _driver(connection) as driver,
        ):
            driver.execute(
                f'update {table} set "{name}" = found.after from {found} as found '
                f'where {table}."{name}" = found.before'
            )


class _Sink:
    """A file that Arrow writes into and COPY sends."""

    closed = False

    def __init__(self, copy: psycopg.Copy) -> None:
        self._copy = copy

    def write(self, content: Any) -> int:
        self._copy.write(bytes(content))
        return len(content)

    def flush(self) -> None:
        """Nothing waits here."""


class _Source:
    """A file that COPY fills and Arrow reads."""

    closed = False

    def __init__(self, copy: psycopg.Copy) -> None:
        self._rows = iter(copy)
        self._left = memoryview(b"")

    def read(self, size: int = -1) -> bytes:
        parts, wanted = [], size if size >= 0 else 1 << 62
        while wanted > 0:
            if not self._left:
                self._left = memoryview(next(self._rows, b""))
                if not self._left:
                    break
            parts.append(bytes(self._left[:wanted]))
            self._left = self._left[len(parts[-1]) :]
            wanted -= len(parts[-1])
        return b"".join(parts)


def _shape(connection: Connection, sql: str) -> tuple[str, pa.Schema]:
    """A query as PostgreSQL reads it, and the types of what it answers."""
    query = written_for("postgresql", sql).strip().rstrip(";")
    with _driver(connection) as driver:
        described = driver.execute(f"select * from ({query}) as shaped limit 0").description or ()
    return query, pa.schema([(column.name, _kind(column)) for column in described])


def _kind(column: psycopg.Column) -> pa.DataType:
    """The type of a column of an answer; decimals keep their bounds, where they have any."""
    if column.type_code == _NUMERIC and column.precision is not None:
        return pa.decimal128(column.precision, column.scale or 0)
    return _ARROW.get(column.type_code, pa.string())


def _read(connection: Connection, query: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    zoned = {f.name: pa.string() for f in schema if pa.types.is_timestamp(f.type)}
    convert = csv.ConvertOptions(
        column_types={f.name: zoned.get(f.name, f.type) for f in schema},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    with (
        _driver(connection) as driver,
        driver.cursor() as cursor,
        cursor.copy(f"copy ({query}) to stdout (format csv)") as copy,
    ):
        source = _Source(copy)
        first = source.read(1)
        if not first:
            return
        source._left = memoryview(first + bytes(source._left))
        reader = csv.open_csv(
            pa.PythonFile(source, mode="r"),
            csv.ReadOptions(column_names=schema.names, block_size=_BLOCK),
            csv.ParseOptions(newlines_in_values=True),
            convert,
        )
        for batch in reader:
            arrays = [
                _instants(array, field.type) if field.name in zoned else array
                for array, field in zip(batch.columns, schema, strict=True)
            ]
            yield pa.record_batch(arrays, schema)


def _instants(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Instants as PostgreSQL writes them: `2026-01-31 10:00:00.5+00`, always in UTC here."""
    plain = pc.replace_substring_regex(texts, r"\+00$", "")
    return pc.cast(pc.cast(plain, pa.timestamp("us")), kind)


def _plain(table: pa.Table) -> pa.Table:
    """Columns that CSV can say: no dictionaries, and text where nothing says what it is."""
    for at, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        elif pa.types.is_null(kind):
            kind = pa.string()
        if kind != field.type:
            table = table.set_column(at, field.name, table.column(at).cast(kind))
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            _prove(field.name, table.column(at))
    return table


def _prove(name: str, texts: pa.ChunkedArray) -> None:
    """PostgreSQL keeps no text with the character nought in it."""
    if pc.any(pc.match_substring(texts, "\0")).as_py():
        raise BadInput(
            f"A text of the column {name} holds the character nought, which PostgreSQL cannot "
            "keep; correct it at the source."
        )


def _type_of(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    if pa.types.is_decimal(kind):
        return f"numeric({kind.precision}, {kind.scale})"
    return next((name for fits, name in _TYPES if fits(kind)), "text")


@contextmanager
def _driver(connection: Connection) -> Iterator[Any]:
    """The driver's connection; what goes wrong on it is said as SQLAlchemy would."""
    driver: Any = connection.connection.driver_connection
    try:
        yield driver
    except psycopg.Error as error:
        raise_in_words(error, connection.engine.url)
        raise DBAPIError.instance(None, None, error, psycopg.Error) from error
