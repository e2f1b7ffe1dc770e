"""How Arrow gets into Spark and out of it, and what Spark says of its tables."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count, takewhile
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from attribution.dialects import written_for
from attribution.engines.spark_driver import Error, answer, quiet, told_apart
from attribution.errors import StorageError

# By what stands in Spark's own words, those of Java below it among them.
_SENTENCES = {
    "No space left on device|[Dd]isk quota exceeded": "Spark has no space left on a disk of its "
    "workers, or where its tables are kept. Free some, and run this again.",
    "OutOfMemoryError|Java heap space|MEMORY_LIMIT_EXCEEDED": "A process of Spark has no memory "
    "left. Give its workers or its driver more, and run this again.",
    "PERMISSION|AccessControlException|AccessDenied|UNAUTHORIZED|Permission denied": "Spark does "
    "not let this user do what a refresh does. Let it create databases, tables and views, and "
    "write where they are kept; then run this again.",
    "UNAUTHENTICATED": "Spark does not know the token in CARETRACE_WAREHOUSE. Put a valid one "
    "there, and run this again.",
    "UNAVAILABLE|INVALID_HANDLE|Socket closed|Connection re(fused|set)": "The connection to Spark "
    "was lost, or its server was started anew. See that it runs, and run this again.",
}
_STANDS = "What was published still stands."
_LENT = count(1)  # of every table that was lent, its own name: several may be at once


@contextmanager
def in_words() -> Iterator[None]:
    """Say in a sentence that the cluster failed: its own words may quote a value."""
    try:
        yield
    except (Error, DBAPIError) as error:
        told = getattr(error, "orig", None) or error
        said = _sentence(told) or (
            f"Spark did not do as it was told ({type(told).__name__}). Look at the server's log, "
            "then run this again."
        )
        raise StorageError(f"{said} {_STANDS}") from error


def explain(context: Any) -> None:
    """As a listener to errors of an engine: raise StorageError where it is none of a statement."""
    if said := _sentence(context.original_exception):
        raise StorageError(f"{said} {_STANDS}") from context.original_exception


def _sentence(error: BaseException) -> str:
    """What went wrong with the cluster and what to do, without a word of Spark's; "" if unknown."""
    found = (sentence for words, sentence in _SENTENCES.items() if re.search(words, str(error)))
    return next(found, "")


def session_of(connection: Connection) -> Any:
    """The session that a connection speaks in."""
    driver: Any = connection.connection.driver_connection
    return driver.session


@contextmanager
def lent(connection: Connection, table: pa.Table) -> Iterator[str]:
    """Lend an Arrow table for the length of a block, under the name it yields."""
    session, name = session_of(connection), f"incoming_{next(_LENT)}"
    with in_words(), told_apart(), quiet():
        sent(session, table).createOrReplaceTempView(name)
    try:
        yield name
    finally:
        with suppress(Error):  # a session that is gone has no views either
            answer(session, f"drop view if exists {name}")


def sent(session: Any, table: pa.Table) -> Any:
    """An Arrow table as a frame of Spark's: whole numbers signed, instants to the microsecond."""
    # Of an instant what is less than a microsecond is cut off; a number that is too big is not.
    cast = [
        column.cast(_known(column.type), safe=not pa.types.is_timestamp(column.type))
        for column in table.columns
    ]
    arrow = pa.table(dict(zip(table.column_names, cast, strict=True)))
    # Spark cannot tell what an empty table holds unless it is told.
    return session.createDataFrame(arrow if len(arrow) else [], _shape(arrow.schema))


def kinds(schema: pa.Schema) -> dict[str, str]:
    """How Spark calls the types of columns that are sent; it need not be asked."""
    known = pa.schema([field.with_type(_known(field.type)) for field in schema])
    return {field.name: field.dataType.simpleString() for field in _shape(known)}


def _shape(schema: pa.Schema) -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)


def fetch(connection: Connection, sql: str) -> pa.Table:
    """What a query in DuckDB's SQL answers, as an Arrow table."""
    with in_words():
        return answer(session_of(connection), written_for("spark", sql))


def batches(connection: Connection, sql: str, size: int) -> Iterator[pa.RecordBatch]:
    """The same in record batches of at most `size` rows."""
    yield from fetch(connection, sql).to_batches(size)


def tables(connection: Connection) -> list[str]:
    """The tables of the database that is used, by name, without temporary ones."""
    rows = connection.exec_driver_sql("show tables").all()
    return sorted(str(name) for _place, name, temporary in rows if not temporary)


def columns(connection: Connection, table: str) -> dict[str, str]:
    """The columns of a table and their types, in order; none where there is no such table."""
    try:
        rows = connection.exec_driver_sql(f"describe {table}").all()
    except DBAPIError:
        return {}
    # After them Spark says which of them files are parted by.
    own = takewhile(lambda row: row[0] and not row[0].startswith("#"), rows)
    return {str(name): str(kind) for name, kind, *_ in own}


def _known(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_null(kind):
        return pa.string()  # a column that holds nothing has no type of its own
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if pa.types.is_unsigned_integer(kind):
        return pa.int64()
    if pa.types.is_dictionary(kind):
        return kind.value_type
    return kind
