"""A Spark Connect server: how it is spoken to, whose its databases are, and what it must be."""

import hashlib
import os
import re
import socket
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from attribution.engines import spark_dialect
from attribution.engines.spark_arrow import explain
from attribution.errors import SettingsError, StorageError
from attribution.nameplate import nameplate
from attribution.paths import Home
from attribution.statements import run

VARIABLE = "CARETRACE_SPARK_DATABASE"
_PORT = 15002  # of Spark Connect, where the address has none
_PATIENCE = 5.0  # seconds for the server to take a call
# What databases of an installation are called, after its own name.
_OF_ANOTHER = re.compile(r"_(\d+|landed|lock|doctor)$")
OLDEST = (4, 0)  # ANSI mode by default, and what these models need of SQL


def require() -> None:
    """Raise SettingsError where Spark's client is not installed."""
    if find_spec("pyspark") is None:
        raise SettingsError(
            "CARETRACE_WAREHOUSE names Spark, whose client is not installed. Run "
            "`pip install 'caretrace[spark]'`."
        )


def prefix() -> str:
    """The database of the published marts, and how the names of all others begin."""
    name = os.environ.get(VARIABLE, "").strip() or "caretrace"
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
        raise SettingsError(
            f"{VARIABLE} must be small letters, digits and underscores, from a letter on."
        )
    if taken := _OF_ANOTHER.search(name):
        raise SettingsError(
            f"{VARIABLE} must not end in {taken[0]}: an installation that is called "
            f"{name[: taken.start()]} would take the database for one of its own, and drop it. "
            "Choose another name."
        )
    return name


def engine_for(url: URL, database: str | None = None) -> Engine:
    """An engine with one session, which is in a database; raises StorageError without a server."""
    require()
    _call(url)
    spark_dialect.register()
    engine = create_engine(url, poolclass=StaticPool, hide_parameters=True)
    if database is not None:

        @event.listens_for(engine, "connect")
        def _enter(connection: Any, _record: Any) -> None:
            connection.cursor().execute(f"use {database}")

    try:
        with engine.connect() as connection:
            # Values, which the server answers itself, however busy its workers are.
            connection.exec_driver_sql("select one from values (1) as t (one)").scalar_one()
    except DBAPIError as error:
        engine.dispose()
        raise StorageError(
            f"Spark at {place(url)} answered, but opened no session"
            f"{f' in database {database}' if database else ''} ({type(error.orig).__name__}). "
            "Look at the server's log, and at the token in CARETRACE_WAREHOUSE if it needs one."
        ) from None
    event.listen(engine, "handle_error", explain)
    return engine


def _owner_before(home: Home) -> str:
    """As earlier versions named a home folder, by host and path."""
    said = f"{socket.gethostname()}:{home.folder.resolve()}".encode()
    return hashlib.sha256(said).hexdigest()[:16]


def owned(connection: Connection, home: Home) -> None:
    """Take a cluster's databases for a home folder; raises StorageError where another has them."""
    own = nameplate(home)
    run(connection, f"create database if not exists {prefix()}")
    told = connection.exec_driver_sql(f"describe database extended {prefix()}").all()
    said = re.search(r"caretrace\.home,\s*(\w+)", " ".join(str(value) for _, value in told))
    if said is None or said[1] == _owner_before(home):
        run(
            connection,
            f"alter database {prefix()} set dbproperties ('caretrace.home' = '{own}')",
        )
    elif said[1] != own:
        raise StorageError(
            f"The database {prefix()} of this cluster belongs to another home folder. Name one of "
            f"your own in {VARIABLE}, or drop it (`drop database {prefix()} cascade`) if that "
            "installation is gone or this one was copied or restored from it."
        )


def looked_at(connection: Connection) -> Iterator[tuple[str, bool, str]]:
    """What the doctor says of a server: a subject, whether it is fine, a sentence."""
    version, fine = _version(connection)
    yield (
        "Spark's version",
        fine,
        f"{version}." if fine else f"{version} is too old: it must be 4.0 or newer.",
    )
    zone = str(connection.exec_driver_sql("select current_timezone()").scalar_one())
    yield "Spark's time zone", zone == "UTC", f"Sessions of caretrace are in {zone}."
    ansi = str(connection.exec_driver_sql("set spark.sql.ansi.enabled").all()[0][1]) == "true"
    yield (
        "Spark's ANSI mode",
        ansi,
        "On."
        if ansi
        else "Off: numbers that do not fit would come back as others; set "
        "spark.sql.ansi.enabled to true.",
    )
    yield _catalog(connection)


def _catalog(connection: Connection) -> tuple[str, bool, str]:
    """Whether databases and tables can be made, and outlive the server."""
    probe = f"{prefix()}_doctor"
    try:
        run(connection, f"create database if not exists {probe}")
        run(connection, f"create or replace view {probe}.probe as select 1 as one")
        run(connection, f"create table {probe}.written as select 1 as one")
    except StorageError as error:
        return "Spark's catalog", False, str(error)
    except DBAPIError as error:
        return (
            "Spark's catalog",
            False,
            f"No table could be made ({type(error.orig).__name__}): let the server create them.",
        )
    finally:
        run(connection, f"drop database if exists {probe} cascade")
    kind = str(connection.exec_driver_sql("set spark.sql.catalogImplementation").all()[0][1])
    lasting = (
        ""
        if kind != "in-memory"
        else (" It is kept in memory: after the server restarts, everything is landed again.")
    )
    return "Spark's catalog", True, f"Tables can be made and dropped.{lasting}"


def _call(url: URL) -> None:
    """See that somebody listens: the client itself would try for minutes."""
    try:
        with socket.create_connection((url.host or "localhost", url.port or _PORT), _PATIENCE):
            return
    except OSError as error:
        raise StorageError(
            f"Spark at {place(url)} does not answer ({_said(error)}). Start its Spark "
            "Connect server, or correct CARETRACE_WAREHOUSE; what was published still stands."
        ) from None


def _said(error: OSError) -> str:
    """Why there is no connection, in the system's words."""
    return (error.strerror or str(error) or type(error).__name__).lower().rstrip(".")


def prove(connection: Connection, url: URL) -> None:
    """Raise StorageError where a server's version will not do; it may not know the models' SQL."""
    version, fine = _version(connection)
    if not fine:
        raise StorageError(
            f"Spark at {place(url)} is version {version}, and caretrace needs 4.0 or newer. Use a "
            "newer server; what was published still stands."
        )


def _version(connection: Connection) -> tuple[str, bool]:
    """What the server calls its version, and whether it will do."""
    version = str(connection.exec_driver_sql("select version()").scalar_one()).split(" ")[0]
    return version, tuple(int(part) for part in re.findall(r"\d+", version)[:2]) >= OLDEST


def place(url: URL) -> str:
    """Where the server is, without a token."""
    return f"{url.host}:{url.port or _PORT}"
