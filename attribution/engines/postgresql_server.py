"""A PostgreSQL server that holds private stores: how it is spoken to, and what it must be."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from shutil import disk_usage
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from attribution.dialects import spoken
from attribution.engines.postgresql_errors import (
    READ_ONLY,
    driver_missing,
    place,
    raise_in_words,
)
from attribution.errors import StorageError
from attribution.statements import run

OLDEST = 15  # the first that knows MERGE
# As bulk work wants it: hash joins with room and on all keys at once. Estimates of what was just
# made are of no use: they choose a nested loop for one row that are thousands, or a merge by one
# key of three, and look through the rest row by row. And no seconds of compiling for a query of
# milliseconds. A commit that is lost with the server takes its cursor with it; publishing waits.
# Limits of a role or a server are for people: a refresh is one transaction, which lies idle for
# minutes while Python solves what it has asked for. What else a role may have set would change
# numbers or patterns, or let one load fail for the other. And a host that died without a word holds
# its lock for as long as the server believes in it, which of itself is two hours.
SETTINGS = {
    "client_encoding": "UTF8",
    "timezone": "UTC",
    "datestyle": "ISO",
    "jit": "off",
    "work_mem": "256MB",
    "enable_nestloop": "off",
    "enable_mergejoin": "off",
    "synchronous_commit": "off",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "0",
    "default_transaction_isolation": r"read\ committed",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
}
# The same of limits that not every version knows.
_NO_LIMITS = (
    "select set_config(name, '0', false) from pg_catalog.pg_settings "
    "where name in ('idle_session_timeout', 'transaction_timeout')"
)
_LOOK_FOR_US = (
    "select set_config(name, '2s', false) from pg_settings "
    "where name = 'client_connection_check_interval'"
)


def engine_for(url: URL, schemas: tuple[str, ...] = ()) -> Engine:
    """An engine that hears DuckDB's SQL, with names looked for in these schemas, the first first.

    Every connection is opened anew: a refresh has few, and a pool would keep those that were lost.
    """
    import psycopg

    settings = SETTINGS | ({"search_path": ",".join(schemas)} if schemas else {})
    engine = create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,  # an error must not tell whose rows were asked for
        connect_args={
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            "application_name": "caretrace",
            "connect_timeout": 10,
            # Firewalls forget a connection on which nothing is said while models are solved.
            "keepalives_idle": 60,
            "keepalives_interval": 10,
            "keepalives_count": 6,
            # Values are put in by the driver: the server could not tell the type of many.
            "cursor_factory": psycopg.ClientCursor,
        },
    )
    event.listen(engine, "connect", _without_limits)
    event.listen(engine, "connect", _given_up_with_us)
    event.listen(engine, "before_cursor_execute", _translated, retval=True)
    event.listen(engine, "handle_error", _explained)
    return engine


def require() -> None:
    """Raise SettingsError where what speaks to the server is not installed."""
    if find_spec("psycopg") is None:
        raise driver_missing()


def _translated(
    _connection: Connection,
    cursor: Any,
    statement: str,
    parameters: Any,
    context: Any,
    _many: bool,
) -> tuple[str, Any]:
    """A statement in DuckDB's SQL as PostgreSQL reads it.

    What SQLAlchemy has written itself is left alone, and so is what takes no values: that is
    written for PostgreSQL already.
    """
    if context.compiled is not None or context.execution_options.get("no_parameters"):
        return statement, parameters
    *first, last = spoken("postgresql", statement)
    for each in first:
        cursor.execute(each)
    return last, parameters


def _without_limits(driver: Any, _record: Any) -> None:
    """Have no limit of a role or server end a connection that waits for Python."""
    driver.execute(_NO_LIMITS)
    driver.commit()


def _given_up_with_us(driver: Any, _record: Any) -> None:
    """Have the server end what a killed process had asked for: the next one waits for its locks.

    A server on Windows cannot see that nobody is there any more, and refuses.
    """
    from psycopg.errors import InvalidParameterValue

    try:
        driver.execute(_LOOK_FOR_US)
    except InvalidParameterValue:
        driver.rollback()
    else:
        driver.commit()


def _explained(context: Any) -> None:
    raise_in_words(context.original_exception, context.engine.url)


def prove(connection: Connection) -> None:
    """Raise StorageError where a server cannot hold private stores, with what to do about it.

    A database that holds one already goes on with the letters that it has, and can be moved from.
    """
    for subject, fine, sentence in looked_at(connection):
        if not fine and not (subject == LETTERS and run(connection, _IN_USE).scalar_one()):
            raise StorageError(sentence)


def looked_at(connection: Connection) -> Iterator[tuple[str, bool, str]]:
    """What a server is and allows: a subject, whether it will do, a sentence."""
    where = place(connection.engine.url)
    told = connection.exec_driver_sql(_SETTINGS, execution_options=_PLAIN).all()
    say = {str(name): str(value) for name, value in told}
    version = int(say["server_version_num"]) // 10_000
    yield (
        "PostgreSQL",
        version >= OLDEST,
        f"version {say['server_version'].split()[0]}."
        if version >= OLDEST
        else f"{where} is version {version}, and caretrace needs {OLDEST} or later. Use a newer "
        "server.",
    )
    if version < OLDEST:
        return  # it may not have what the rest asks for
    row = connection.exec_driver_sql(_DATABASE, execution_options=_PLAIN).one()
    encoding, collation, letters, kind, may, may_temporary, foreign, taken, size = row
    plain = encoding == "UTF8" and kind != "i" and collation in _BY_CODE_POINTS
    yield (
        "PostgreSQL's order of texts",
        plain,
        "by code points, as everywhere."
        if plain
        else f"{where} has encoding {encoding} and orders texts by {collation}, so ties would "
        f"fall otherwise than elsewhere. {_CREATE}",
    )
    if encoding == "UTF8":
        lowered = bool(run(connection, _LOWERED).scalar_one())
        yield (
            LETTERS,
            lowered,
            "made small as everywhere."
            if lowered
            else f"{where} makes letters small as {letters if kind == 'c' else collation} does, "
            f"which is not as elsewhere, so one campaign could be two. {_CREATE}",
        )
    user = connection.engine.url.username or "you"
    refused = ""
    if say["transaction_read_only"] == "on":
        refused = f"{where} {READ_ONLY}"
    elif not may:
        refused = (
            f"{where} does not let {user} make schemas. Make {user} the owner of the database, "
            "or give it the right CREATE on it."
        )
    elif not may_temporary:
        refused = (
            f"{where} does not let {user} make temporary tables. Give {user} the right TEMPORARY "
            "on the database."
        )
    elif foreign:
        refused = (
            f"{where} has a schema {foreign} that is not {user}'s, and caretrace needs it. If it "
            f"is of a dump, restore that as {user}, with --no-owner; else name another database."
        )
    elif taken:
        refused = (
            f"{where} has {taken}, which is none of caretrace's, and caretrace takes the schemas "
            "marts, people and files for itself. Name another database."
        )
    yield "PostgreSQL's rights", not refused, refused or "schemas can be made."
    zone, ours = say["TimeZone"], say["TimeZone"] == "UTC" and say["jit"] == "off"
    yield (
        "PostgreSQL's time zone",
        ours,
        f"{zone} while caretrace is connected."
        if ours
        else f"{where} does not hear of the settings that caretrace connects with, so something "
        "stands between, such as PgBouncer. Name the server itself.",
    )
    yield (
        "PostgreSQL's settings",
        True,
        (
            f"work_mem {int(say['work_mem']) // 1024} MB, jit {say['jit']}, nested loops "
            f"{say['enable_nestloop']} while caretrace is connected; the database holds "
            f"{size / 1e9:.1f} GB, and a refresh may need as much again{_free(say)}."
        ),
    )


def _free(say: Mapping[str, str]) -> str:
    """How much room there is, where the server is on this computer and we may know."""
    folder = Path(say.get("data_directory", ""))
    if not (folder.is_absolute() and folder.is_dir()):
        return ""
    return f"; {disk_usage(folder).free / 1e9:.1f} GB are free there"


_CREATE = (
    "Make one for it: create database clinic template template0 encoding 'UTF8' "
    "lc_collate 'C.UTF-8' lc_ctype 'C.UTF-8'."
)
_BY_CODE_POINTS = ("C", "POSIX", "C.UTF-8", "C.utf8", "PG_UNICODE_FAST")
_SETTINGS = "select name, setting from pg_settings"
_DATABASE = """
select
    pg_encoding_to_char(encoding),
    case
        when datlocprovider = 'c' then datcollate
        -- Its name is another from version 17 on.
        else coalesce(
            to_jsonb(pg_database) ->> 'datlocale', to_jsonb(pg_database) ->> 'daticulocale'
        )
    end,
    datctype,
    datlocprovider,
    has_database_privilege(datname, 'CREATE'),
    has_database_privilege(datname, 'TEMPORARY'),
    (
        select min(nspname::text)
        from pg_namespace
        where nspname ~ '^(caretrace|(marts|people|files|private)(_[0-9]+)?)$'
            and not pg_has_role(nspowner, 'USAGE')
    ),
    (
        select min(nspname || '.' || relname)
        from pg_class
        inner join pg_namespace on relnamespace = pg_namespace.oid
        where nspname in ('marts', 'people', 'files')
            and not exists (  -- by its name alone: a role of pages may not look into the schema
                select 1
                from pg_class as ours
                inner join pg_namespace as place on ours.relnamespace = place.oid
                where place.nspname = 'caretrace' and ours.relname = 'published'
            )
    ),
    pg_database_size(datname)
from pg_database where datname = current_database()
"""
# Not by its name: which locales there are, and what they lower, the server knows. In Turkish I is
# another letter than i; and by all of Unicode's rules a sigma that ends a word is another one.
LETTERS = "PostgreSQL's letters"
_IN_USE = "select to_regclass('caretrace.published') is not null"
_LOWERED = "select lower('IÑ ΑΣ') = 'iñ ασ'"
_PLAIN = {"no_parameters": True}
