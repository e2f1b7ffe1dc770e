"""Rejects: why rows were kept out, until the same rows load or their days are read again.

A reject is replaced by the next reading of its slice, of its day, or of its row, whichever comes
first; so what a source has corrected does not stay listed for ever.
"""

from collections.abc import Mapping, Sequence

import pyarrow as pa
from sqlalchemy import Connection

from attribution.privacy import Door
from attribution.raw import changed, lent
from connectors.contract import BY_TABLE, Row, contract_fields
from connectors.source import Rejected, Slice

Owner = tuple[str, str]  # source, account


def key_of(row: type[Row]) -> tuple[str, str] | None:
    """The one identifier that a table is keyed by, and its kind; None for other keys."""
    if len(row.spec.key) != 1:
        return None
    [name] = row.spec.key
    kind = next(f.identifier for f in contract_fields(row) if f.name == name)
    return (name, kind) if kind else None


def take_back(connection: Connection, owner: Owner, piece: Slice, stages: Mapping[str, str]) -> int:
    """Delete what was rejected before and has now been read again; returns how many.

    `stages` is the table in which each kind of row (by its table) waits to be committed.
    """

    def take(where: str, *values: object) -> int:
        taken = f"delete from raw_rejected where source = ? and account = ? and {where}"
        return changed(connection.exec_driver_sql(taken, (*owner, *values)))

    gone = take("slice = ?", piece.name)
    read = piece.window or piece.asked
    if read is not None:
        # What does not say its day goes with any of the days that were read with it.
        days = (read.until, read.since)
        gone += take("cursor_key = ? and first_day <= ? and last_day >= ?", piece.cursor_key, *days)
    for table, stage in stages.items():
        key = key_of(BY_TABLE[table])
        if key is not None:
            gone += take(f'table_name = ? and record in (select "{key[0]}" from {stage})', table)
    if "withdrawn" in stages:
        gone += take(_named_in(stages["withdrawn"], "record_id"))
    return gone


def keep(
    connection: Connection,
    owner: Owner,
    piece: Slice,
    rejected: Sequence[Rejected],
    door: Door,
    stamp: Mapping[str, object],
) -> None:
    """Write down what a slice has kept out; of one row what is said last."""
    if not rejected:
        return
    records = [_record(each, door) for each in rejected]
    again = sorted({record for record in records if record is not None})
    window = piece.window or piece.asked
    table = pa.table(
        {
            "file": [each.file for each in rejected],
            "row_number": pa.array([each.row_number for each in rejected], pa.int64()),
            "table_name": [each.table for each in rejected],
            "column_name": [each.column for each in rejected],
            "shape": [each.shape for each in rejected],
            "reason": [each.reason for each in rejected],
            "record": pa.array(records, pa.string()),
            "first_day": pa.array(
                [each.day or (window.since if window else None) for each in rejected], pa.date32()
            ),
            "last_day": pa.array(
                [each.day or (window.until if window else None) for each in rejected], pa.date32()
            ),
        }
    )
    names = ", ".join(f'"{name}"' for name in table.column_names)
    with lent(connection, table) as name:
        if again:
            connection.exec_driver_sql(
                "delete from raw_rejected where source = ? and account = ? and "
                f"{_named_in(name, 'record')}",
                owner,
            )
        connection.exec_driver_sql(
            f"insert into raw_rejected (source, account, slice, cursor_key, {names}, "
            f"run_id, loaded_at) select ?, ?, ?, ?, {names}, ?, ? from {name}",
            (*owner, piece.name, piece.cursor_key, *stamp.values()),
        )


def _named_in(table: str, record: str) -> str:
    """SQL for that a table names the row that was kept out."""
    return (
        f"exists (select 1 from {table} as named where named.table_name = raw_rejected.table_name "
        f"and named.{record} = raw_rejected.record)"
    )


def _record(each: Rejected, door: Door) -> str | None:
    """The hash by which the row is found again, as its table has it."""
    key = key_of(BY_TABLE[each.table]) if each.table in BY_TABLE else None
    return door.hash(key[1], each.record) if key is not None and each.record else None
