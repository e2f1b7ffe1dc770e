"""Spark Connect as Python's database drivers are (PEP 249), so that SQLAlchemy can speak to it.

There are no transactions: what a statement has done stays done, and a refresh answers for that by
building in a place that nobody reads until it is whole.
"""

import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

import pyarrow as pa

from attribution.errors import SettingsError

apilevel, threadsafety, paramstyle = "2.0", 2, "qmark"
# What answers with rows, a query or what is told of the catalog; anything else is done by the time
# that it was sent.
_COMMENTS = re.compile(r"^(\s+|--[^\n]*\n|/\*.*?\*/)+", re.DOTALL)
_ASKS, _TOLD = ("select", "with", "from", "values", "("), ("describe", "show", "set ")


# Half a minute for a network that comes back. The client would try for ten, at each of the
# statements with which a refresh ends; and a server that was started anew knows no session of ours.
_RETRIES: dict[str, Any] = {"max_retries": 7, "max_backoff": 10_000}


class Warning(Exception):  # noqa: A001
    """PEP 249's."""


class Error(Exception):
    """Whatever Spark did not do."""


class DatabaseError(Error):
    """What the server says of a statement."""


class OperationalError(DatabaseError):
    """The server is not there, or went away."""


class ProgrammingError(DatabaseError):
    """A statement that Spark does not understand."""


class InterfaceError(Error):
    """PEP 249's."""


DataError = IntegrityError = InternalError = NotSupportedError = DatabaseError


class Cursor:
    """One statement at a time, and what it answered."""

    arraysize = 1
    rowcount = -1

    def __init__(self, session: Any) -> None:
        self._session = session
        self._rows: Iterator[tuple[Any, ...]] = iter(())
        self.description: list[tuple[Any, ...]] | None = None

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement, with a value for each `?`."""
        table = answer(self._session, sql, parameters)
        self.description = None
        self._rows = iter(())
        if table is not None:
            empty = (None,) * 4
            self.description = [(f.name, str(f.type), *empty, True) for f in table.schema]
            columns = [column.to_pylist() for column in table.columns]
            self._rows = iter(zip(*columns, strict=True))

    def executemany(self, sql: str, every: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each of some rows of values."""
        for parameters in every:
            self.execute(sql, parameters)

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, or none."""
        return next(self._rows, None)

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        """The next rows."""
        return [row for _, row in zip(range(size), self._rows, strict=False)]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows that are left."""
        return list(self._rows)

    def close(self) -> None:
        """Forget the rows."""
        self._rows = iter(())

    def setinputsizes(self, _sizes: object) -> None:
        """PEP 249's; nothing to do."""

    def setoutputsize(self, _size: object, _column: object = None) -> None:
        """PEP 249's; nothing to do."""


class Connection:
    """A session of a Spark Connect server: its temporary views are its own."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def cursor(self) -> Cursor:
        """A new cursor."""
        return Cursor(self.session)

    def commit(self) -> None:
        """Nothing to do: every statement stands by itself."""

    def rollback(self) -> None:
        """Nothing can be taken back."""

    def close(self) -> None:
        """Leave the server."""
        with told_apart(), quiet():
            self.session.stop()


# The client writes every error out, statement, plan and all; who asked gets it as an error.
logging.getLogger("SQLQueryContextLogger").disabled = True


def connect(remote: str) -> Connection:
    """A session of the server at a `sc://` address; raises OperationalError without one."""
    try:
        with quiet():
            from pyspark.sql.connect.client.retries import DefaultPolicy
            from pyspark.sql.connect.session import SparkSession
    except ImportError as error:
        raise SettingsError(
            "The warehouse is on Spark, whose client is not installed: install caretrace[spark]."
        ) from error
    with told_apart(), quiet():
        session = SparkSession.builder.remote(remote).create()
        session.client.set_retry_policies([DefaultPolicy(**_RETRIES)])
        # Days and weeks are those of UTC, as in the other engines, whatever the server's clock is.
        session.conf.set("spark.sql.session.timeZone", "UTC")
        # What does not fit is an error here as there, and comes back as no other number.
        session.conf.set("spark.sql.ansi.enabled", "true")
        # Of a product of decimals the digits are kept: a share would be left with six of twelve.
        session.conf.set("spark.sql.decimalOperations.allowPrecisionLoss", "false")
        # What is overwritten is the parts that travel, not every part that was landed before.
        session.conf.set("spark.sql.sources.partitionOverwriteMode", "dynamic")
    return Connection(session)


def answer(session: Any, sql: str, parameters: Sequence[Any] = ()) -> pa.Table | None:
    """Run a statement; its rows as Arrow, or None where it asks for none."""
    begins = _COMMENTS.sub("", sql).lower()
    with told_apart(), quiet():
        if begins.startswith(_ASKS) and not parameters:
            return _rows(_query(session, sql))
        frame = session.sql(sql, args=list(parameters) or None)
        return _rows(frame) if begins.startswith(_ASKS + _TOLD) else None


def _query(session: Any, sql: str) -> Any:
    """A query that the server has not heard of yet.

    `session.sql` would have it planned once to see whether it is a command, before it is answered.
    """
    from pyspark.sql.connect.dataframe import DataFrame
    from pyspark.sql.connect.plan import SQL

    return DataFrame(SQL(sql, []), session)


def _rows(frame: Any) -> pa.Table:
    """The rows of a frame; `toArrow` would ask first what its columns are, and plan it for that."""
    from pyspark.sql.pandas.types import to_arrow_schema

    table, schema = frame._to_table()
    return table.cast(to_arrow_schema(schema, timezone="UTC"))


@contextmanager
def told_apart() -> Iterator[None]:
    """Errors of Spark's client as PEP 249 names them."""
    from grpc import RpcError
    from pyspark.errors import PySparkException
    from pyspark.errors.exceptions.connect import AnalysisException, ParseException

    try:
        yield
    except (AnalysisException, ParseException) as error:
        raise ProgrammingError(str(error)) from error
    except PySparkException as error:
        raise DatabaseError(str(error)) from error
    except RpcError as error:
        raise OperationalError(str(error)) from error


class _Quiet:
    """Warnings of the client switched off while any thread is within; the last one puts them back.

    Python keeps one list of them for all threads.
    """

    def __init__(self) -> None:
        self._turn = Lock()
        self._within = 0
        self._usual: Any = None

    def __enter__(self) -> None:
        with self._turn:
            self._within += 1
            if self._within == 1:
                self._usual = warnings.catch_warnings()
                self._usual.__enter__()
                warnings.filterwarnings("ignore", category=FutureWarning, module=r"pyspark\.")
                # What it could not do in the end comes as an error.
                warnings.filterwarnings("ignore", message=r"\[RETRIES_EXCEEDED\]")

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self._within -= 1
            if self._within == 0:
                self._usual.__exit__(None, None, None)


_QUIET = _Quiet()


def quiet() -> _Quiet:
    """The client warns of pandas 3, of which nothing is used here: all rows travel as Arrow."""
    return _QUIET
