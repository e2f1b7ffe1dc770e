"""What PostgreSQL holds of generations: its books, its schemas, and the views that readers see."""

from collections.abc import Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from attribution import generations
from attribution.engines.postgresql_lock import transaction
from attribution.paths import Home
from attribution.raw import KEPT
from attribution.statements import run

# Made by a model, and read by the next refresh all the same.
CARRIED = ("int_forecasts",)
BOOKS = (
    "create schema if not exists caretrace",
    """create table if not exists caretrace.generation (
    number integer primary key, base integer, state text not null,
    begun_at timestamptz not null default now())""",
    "create table if not exists caretrace.published (number integer not null)",
    "create table if not exists caretrace.holder (host text, process integer, since timestamptz)",
    "create schema if not exists marts",
    "create schema if not exists people",
    "create schema if not exists files",
)


def schemas_of(number: int) -> tuple[str, str, str]:
    """The schemas of a generation: private, marts and people."""
    return f"private_{number}", f"marts_{number}", f"people_{number}"


def files_of(number: int) -> str:
    """The schema of a generation's files, of which no model reads."""
    return f"files_{number}"


def catch_up(home: Home, connection: Connection) -> int | None:
    """The generation that the server says is published; the home folder follows it.

    Where a refresh or a rollback was killed between the two, the files of it are here already.
    """
    number: int | None = run(connection, "select number from caretrace.published").scalar()
    if number is None or generations.current_generation(home) == number:
        return number
    if (home.generation(number) / generations.MARTS).is_file():
        generations.leave_after(home, number)
        generations.point_at(home, number)
    return number


def point_at(connection: Connection, number: int) -> None:
    """Let every view show a generation's tables, in one transaction that waits for the disk."""
    with transaction(connection):
        run(connection, "set local synchronous_commit = on")
        run(connection, "set local lock_timeout = '5min'")
        before = run(connection, "select number from caretrace.published").scalar()
        for schema in ("marts", "people", "files"):
            shown = _tables_of(connection, f"{schema}_{number}")
            # Views that others have made there stay.
            for gone in _tables_of(connection, f"{schema}_{before}") - shown:
                run(connection, f'drop view if exists {schema}."{gone}" cascade')
            for table in sorted(shown):
                _show(connection, schema, number, table)
        run(connection, "delete from caretrace.published")
        run(connection, f"insert into caretrace.published values ({number})")
        run(
            connection,
            f"update caretrace.generation set state = 'published' where number = {number}",
        )
        run(
            connection,
            f"update caretrace.generation set state = 'rolled back' where number > {number}",
        )


def _tables_of(connection: Connection, schema: str) -> set[str]:
    named = f"select tablename from pg_tables where schemaname = '{schema}'"
    return set(run(connection, named).scalars())


def _show(connection: Connection, schema: str, number: int, table: str) -> None:
    """Let a view show another generation's table; rights and views of others on it stay."""
    made = f'create or replace view {schema}."{table}" as select * from {schema}_{number}."{table}"'
    try:
        with connection.begin_nested():
            run(connection, made)
    except DBAPIError:
        # Its columns are others than they were.
        run(connection, f'drop view if exists {schema}."{table}" cascade')
        run(connection, made)


def drop(connection: Connection, numbers: set[int]) -> None:
    """Remove the schemas of some generations, each in a transaction of its own."""
    for number in sorted(numbers):
        with transaction(connection):
            run(connection, "set local lock_timeout = '10s'")
            for schema in (*schemas_of(number), files_of(number)):
                run(connection, f"drop schema if exists {schema} cascade")
            run(connection, f"delete from caretrace.generation where number = {number}")


def numbers(connection: Connection, where: str = "true") -> set[int]:
    """The generations that the books know, of those that a condition holds for."""
    return set(run(connection, f"select number from caretrace.generation where {where}").scalars())


def carried_on(connection: Connection, schema: str) -> list[str]:
    """The tables of a schema that the next generation starts from, by name."""
    own = ", ".join(f"'{name}'" for name in (*KEPT, *CARRIED))
    return list(
        run(
            connection,
            f"select tablename from pg_tables where schemaname = '{schema}' and "
            f"(tablename like 'raw\\_%' or tablename in ({own})) order by 1",
        ).scalars()
    )


def move(connection: Connection, number: int, marts: Sequence[str], people: Sequence[str]) -> None:
    """Put what is published of a generation into its own schemas."""
    private, *others = schemas_of(number)
    for schema, moved in zip(others, (marts, people), strict=True):
        run(connection, f"create schema if not exists {schema}")
        for table in moved:
            run(connection, f'drop table if exists {schema}."{table}"')
            run(connection, f'alter table {private}."{table}" set schema {schema}')
