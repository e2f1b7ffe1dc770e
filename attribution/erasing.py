"""Erasing: which rows of the raw tables are of people who were forgotten, and taking them away.

A row is a forgotten person's if it carries a hash of theirs, or, where it carries nobody's, if it
names a record of theirs: a payment that says only which visit it is for. What names one of their
records is theirs too, until nothing more is found.
"""

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
from sqlalchemy import Connection

from attribution.privacy import THEIRS, stored_fields
from attribution.raw import changed, has_person
from attribution.tombstones import Forgotten, Record
from connectors.contract import ROWS, Row, contract_fields

_AT_ONCE = 1000  # rows of one statement


def spread(connection: Connection, people: Iterable[str], records: Iterable[Record]) -> None:
    """Note, for `counts` and `erase`, whose rows are meant; all their records are looked for."""
    _note(connection, "forgotten_person", ("identifier",), [(each,) for each in people])
    _note(connection, "forgotten_record", ("target", "record"), list(records))
    while _more_records(connection):
        pass


def records(connection: Connection) -> list[Record]:
    """The records that are meant: those given, and those that were found."""
    rows = connection.exec_driver_sql(
        "select target, record from forgotten_record order by target, record"
    )
    return [(str(target), str(record)) for target, record in rows]


def identifiers(connection: Connection) -> list[str]:
    """The identifiers of people on the rows that are meant, and so those that others have too."""
    found = " union ".join(
        f'select "{spec.name}" as identifier from raw_{row.spec.table} '
        f'where "{spec.name}" is not null and ({_theirs(row)})'
        for row in _rows()
        for spec in stored_fields(row)
        if spec.identifier in THEIRS
    )
    return [str(hashed) for (hashed,) in connection.exec_driver_sql(found)]


def counts(connection: Connection) -> dict[str, int]:
    """How many rows of each raw table are meant; tables without any are left out."""
    found = {
        row.spec.table: connection.exec_driver_sql(
            f"select count(*) from raw_{row.spec.table} where {_theirs(row)}"
        ).scalar_one()
        for row in _rows()
    }
    return {table: number for table, number in found.items() if number}


def erase(connection: Connection, forgotten: Forgotten) -> tuple[int, list[Record]]:
    """Delete every row of the forgotten; returns how many, and records of theirs that are new."""
    spread(connection, forgotten.people, forgotten.records)
    gone = 0
    for row in _rows():
        gone += changed(
            connection.exec_driver_sql(f"delete from raw_{row.spec.table} where {_theirs(row)}")
        )
    # A row of theirs that was kept out left its key behind.
    gone += changed(
        connection.exec_driver_sql(
            "delete from raw_rejected where coalesce(record in (select identifier from "
            "forgotten_person) or record in (select record from forgotten_record), false)"
        )
    )
    found = sorted(set(records(connection)) - set(forgotten.records))
    for table in ("forgotten_person", "forgotten_record"):
        connection.exec_driver_sql(f"drop table {table}")
    return gone, found


def named_records(row: type[Row]) -> list[tuple[str, str]]:
    """Columns of a kind of row that hold a record's number, and SQL for what kind of record."""
    return [
        (spec.name, f"'{_TARGETS.get(spec.name, spec.name.removesuffix('_id'))}'")
        if spec.name != "record_id"
        else (spec.name, '"table_name"')
        for spec in contract_fields(row)
        if spec.identifier == "record"
    ]


def records_in(row: type[Row], table: pa.Table) -> Iterator[Record]:
    """The records that some pseudonymised rows name."""
    for name, target in named_records(row):
        kinds = table.column("table_name" if name == "record_id" else name)
        for kind, record in zip(kinds.to_pylist(), table.column(name).to_pylist(), strict=True):
            if record is not None:
                yield (kind if name == "record_id" else target.strip("'"), record)


# Columns whose name does not say what kind of record they point at.
_TARGETS = {"same_as": "care_code"}


def _rows() -> Iterator[type[Row]]:
    return (row for row in ROWS if _marks(row) or named_records(row))


def _marks(row: type[Row]) -> bool:
    return any(spec.identifier in THEIRS for spec in stored_fields(row))


def _theirs(row: type[Row]) -> str:
    """The condition under which a row is a forgotten person's."""
    own = [
        f'"{spec.name}" in (select identifier from forgotten_person)'
        for spec in stored_fields(row)
        if spec.identifier in THEIRS
    ]
    named = [
        f"exists (select 1 from forgotten_record as buried where buried.target = {target} and "
        f'buried.record = raw_{row.spec.table}."{name}")'
        for name, target in named_records(row)
    ]
    if named:
        nobody = '"identifier" is null and ' if has_person(row) else ""
        own.append(f"{nobody}({' or '.join(named)})")
    return " or ".join(f"coalesce({each}, false)" for each in own)


def _more_records(connection: Connection) -> int:
    """Note the records that the rows meant so far name; returns how many were new."""
    found = " union ".join(
        f'select {target} as target, "{name}" as record from raw_{row.spec.table} '
        f'where "{name}" is not null and ({_theirs(row)})'
        for row in _rows()
        for name, target in named_records(row)
    )
    # In brackets, as engines do not agree on what binds first.
    return changed(
        connection.exec_driver_sql(
            f"insert into forgotten_record select target, record from ({found}) as found "
            "except select target, record from forgotten_record"
        )
    )


def _note(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[str, ...]]
) -> None:
    described = ", ".join(f"{name} varchar" for name in columns)
    connection.exec_driver_sql(f"create or replace temp table {table} ({described})")
    holes = f"({', '.join('?' * len(columns))})"
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        connection.exec_driver_sql(
            f"insert into {table} values {', '.join([holes] * len(some))}",
            tuple(value for row in some for value in row),
        )
