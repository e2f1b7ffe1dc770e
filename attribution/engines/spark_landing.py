"""What was loaded, landed on the cluster: Parquet that is only ever added to.

A table is landed in parts: rows of one source, account and month, or of one whole table where it
has no such columns. A part is named by a digest of what it holds and is never changed, so whatever
a killed refresh has landed is right, and the next one goes on from there. A generation reads its
own list of parts through a view: what is newer or older beside them does not exist for it.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from attribution.engines.spark_arrow import kinds as kinds_of
from attribution.raw import columns, fetch, lent, tables
from attribution.statements import run

LANDED = "landed"
# Of a run, and nothing that a model may read: rows that came again unchanged need not travel.
_OF_A_RUN = ("run_id", "loaded_at")
_ROWS = 500_000  # about how many travel in one go
Parts = Mapping[str, list[str]]


class _Part(NamedTuple):
    """Rows that travel together: what belongs to it, by what digest it is known, how many."""

    key: str
    name: str
    rows: int


def land(
    here: Connection,
    there: Connection,
    prefix: str,
    database: str,
    wanted: Collection[str],
) -> Parts:
    """Land some tables of a store, and show them in a database; which parts it shows."""
    run(there, f"create database if not exists {prefix}_{LANDED}")
    place = f"{prefix}_{LANDED}"
    known = set(_tables_of(there, place))
    return {
        table: _land(here, there, place, database, table, new=table not in known)
        for table in tables(here)
        if table in wanted
    }


def forget(there: Connection, prefix: str, kept: Collection[Parts]) -> None:
    """Drop every part that none of the kept generations shows."""
    place = f"{prefix}_{LANDED}"
    for table in _tables_of(there, place):
        shown = {part for parts in kept for part in parts.get(table, ())}
        old = sorted(_parts(there, f"{place}.{table}") - shown)
        if old:
            named = ", ".join(f"partition (part='{part}')" for part in old)
            run(there, f"alter table {place}.{table} drop if exists {named} purge")


def as_text(parts: Parts) -> str:
    """Which parts a generation shows, as it is kept beside its files."""
    return json.dumps(parts, sort_keys=True)


def _land(
    here: Connection, there: Connection, place: str, database: str, table: str, *, new: bool
) -> list[str]:
    kinds = {name: kind for name, kind in columns(here, table).items() if name not in _OF_A_RUN}
    landed = f"{place}.{table}"
    own = _made(here, there, landed, table, list(kinds)) if new else columns(there, landed)
    if not set(kinds) <= set(own):
        own |= _widened(here, there, landed, table, [name for name in kinds if name not in own])
    parted = parts_of(here, table, kinds)
    present = set() if new else _parts(there, landed)
    for some in _in_goes([each for each in parted if each.name not in present]):
        _send(here, there, landed, table, list(kinds), list(own), _key(kinds), some)
    parts = sorted(each.name for each in parted)
    listed = ", ".join(f"'{part}'" for part in parts)
    where = f"part in ({listed})" if parts else "false"
    named = ", ".join(f"`{name}`" for name in kinds)
    run(
        there,
        f"create or replace view {database}.{table} as select {named} from {landed} where {where}",
    )
    return parts


def _made(
    here: Connection, there: Connection, landed: str, table: str, names: list[str]
) -> dict[str, str]:
    """Make the table that parts go into; its columns."""
    own = _kinds_of(here, table, names)
    described = ", ".join(f"`{name}` {kind}" for name, kind in own.items())
    run(
        there,
        f"create table {landed} ({described}, part string) using parquet partitioned by (part)",
    )
    return own


def _widened(
    here: Connection, there: Connection, landed: str, table: str, names: list[str]
) -> dict[str, str]:
    """Add the columns that a table has gained; which they are."""
    gained = _kinds_of(here, table, names)
    added = ", ".join(f"`{name}` {kind}" for name, kind in gained.items())
    run(there, f"alter table {landed} add columns ({added})")
    return gained


def _kinds_of(here: Connection, table: str, names: list[str]) -> dict[str, str]:
    """Columns of a table that was loaded, by the types that Spark gives them."""
    listed = ", ".join(f'"{name}"' for name in names)
    return kinds_of(fetch(here, f'select {listed} from "{table}" limit 0').schema)


def _key(kinds: Mapping[str, str]) -> str:
    """SQL for what says to which part a row belongs."""
    if {"source", "account"} <= set(kinds):
        days = [n for n, k in kinds.items() if k.upper().startswith(("DATE", "TIMESTAMP"))]
        first = [name for name in days if not name.startswith("updated")][:1]
        month = "".join(
            f""" || '|' || coalesce(left(cast("{name}" as varchar), 7), '')""" for name in first
        )
        return f"coalesce(source, '') || '|' || coalesce(account, ''){month}"
    if "identifier" in kinds:
        return "coalesce(left(identifier, 1), '')"
    return "''"


def parts_of(here: Connection, table: str, kinds: Mapping[str, str]) -> list[_Part]:
    """The parts of a table as it is now: what belongs to each, its name, its rows."""
    every = ", ".join(f'"{name}"' for name in kinds)
    # Two different sums over rows in any order, of 64 bits each, and their number.
    told = f"part, count(*), sum(h), bit_xor(h), {_quoted(every)}"
    found = here.exec_driver_sql(
        f"select part, count(*), md5(concat_ws('|', {told})) from ("
        f'select {_key(kinds)} as part, hash({every}) as h from "{table}") as hashed '
        "group by part order by part"
    ).all()
    return [_Part(str(key), str(name), int(rows)) for key, rows, name in found]


def _in_goes(parts: list[_Part]) -> Iterator[list[_Part]]:
    """Parts put together until there are rows enough to be worth a journey."""
    some: list[_Part] = []
    for part in parts:
        some.append(part)
        if sum(each.rows for each in some) >= _ROWS:
            yield some
            some = []
    if some:
        yield some


def _send(
    here: Connection,
    there: Connection,
    landed: str,
    table: str,
    names: list[str],
    own: list[str],
    key: str,
    parts: list[_Part],
) -> None:
    """Land some parts: all of their rows, or what is left half done is overwritten next time."""
    listed = ", ".join(f'"{name}"' for name in names)
    named = " ".join(f"when {_quoted(each.key)} then '{each.name}'" for each in parts)
    wanted = ", ".join(_quoted(each.key) for each in parts)
    rows = fetch(
        here,
        f'select {listed}, case {key} {named} end as part from "{table}" where {key} in ({wanted})',
    )
    picked = ", ".join(
        f"`{name}`" if name in names else f"null as `{name}`" for name in own if name != "part"
    )
    with lent(there, rows) as incoming:
        run(
            there,
            f"insert overwrite table {landed} partition (part) "
            f"select {picked}, part from {incoming}",
        )


def _parts(there: Connection, landed: str) -> set[str]:
    """The parts that are whole: a part is registered after all of its files are in place."""
    rows = there.exec_driver_sql(f"show partitions {landed}").all()
    return {str(part).removeprefix("part=") for (part,) in rows}


def _tables_of(there: Connection, database: str) -> list[str]:
    return [str(name) for _, name, _ in there.exec_driver_sql(f"show tables in {database}").all()]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
