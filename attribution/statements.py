"""SQL that is run as it stands: a percent sign in it is no place for a value."""

from typing import Any

from sqlalchemy import Connection, CursorResult


def run(connection: Connection, sql: str) -> CursorResult[Any]:
    """Run a statement in the engine's own SQL, without values beside it."""
    return connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def number(connection: Connection, sql: str) -> int:
    """The whole number that a query answers with."""
    return int(run(connection, sql).scalar_one())
