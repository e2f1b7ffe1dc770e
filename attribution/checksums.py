"""Checksums of tables: the same for the same rows, in whatever order they lie."""

from sqlalchemy import Connection

from attribution.errors import TransformError
from attribution.raw import columns


def checksum(connection: Connection, table: str) -> str:
    """What a table holds as one text: the same for the same rows in any order.

    Its parts are the number of rows and two sums over parts of each row's MD5, so that a row more,
    less or twice shows, which an exclusive or would not.
    """
    described = columns(connection, table)
    if not described:
        raise TransformError(f"There is no table {table} to take a checksum of.")
    text = " || ".join(_as_text(name, kind) for name, kind in described.items())
    row = connection.exec_driver_sql(
        "select count(*),"
        " coalesce(sum(cast('0x' || substr(digest, 1, 15) as bigint)), 0),"
        " coalesce(sum(cast('0x' || substr(digest, 16, 15) as bigint)), 0)"
        f" from (select md5({text}) as digest from {table}) as digests"
    ).one()
    return "-".join(f"{int(part):x}" for part in row)


def _as_text(column: str, kind: str) -> str:
    zoned = kind.upper() == "TIMESTAMP WITH TIME ZONE"
    text = f'cast("{column}"{" at time zone " + repr("UTC") if zoned else ""} as varchar)'
    # The length goes before the text, so that no two rows are written alike.
    return f"coalesce(length({text}) || ':' || {text}, '-')"
