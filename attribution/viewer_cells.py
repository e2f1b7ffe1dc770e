"""Which cells of conversions and of credit viewers are told: blocks of four weeks, folded.

Every block is a partition by itself, of whoever converted in its weeks: by service line and place,
by week, and for each kind by channel and campaign. Blocks do not overlap and are told when they are
over, once: no later release tells them anew, so none can be compared with an earlier one.

A value that is too small in many blocks is folded in all of them, so that a filter by a value that
has a name counts all of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sqlalchemy import Connection

from attribution.raw import fetch
from attribution.small_cells import LEAST, Label, People, fold

WEEKS = 4  # told together
# A Monday; blocks are counted from it, so they never move.
_ANCHOR = "date '2018-01-01'"
# A name must stand in this share of the newest blocks that the value is in.
_OFTEN, _NEWEST = 0.8, 26
Part = tuple[object, ...]  # a block, or a kind and a block
Cells = dict[Part, dict[Label, People]]
Names = dict[tuple[object, ...], bool]


@dataclass(frozen=True, slots=True)
class Told:
    """Where each cell of a mart is told, and which names stand."""

    labels: pd.DataFrame  # the part, the keys, and told_<key> of each key
    names: pd.DataFrame  # the part without its block, the prefix as two keys, allowed
    cells: int
    folded: int
    bits: int = 1  # of what is counted of people, in `people_in_cells`


def block_of(week: str) -> str:
    """The first Monday of the block that a week is in, as SQL."""
    weeks = f"cast(floor(date_diff('day', {_ANCHOR}, {week}) / {WEEKS * 7.0}) as integer)"
    return f"cast({_ANCHOR} + {weeks} * interval '{WEEKS * 7}' day as date)"


def places(connection: Connection, since: str, until: str, names: pd.DataFrame | None) -> Told:
    """How conversions are told by service line and place, of blocks from `since` to `until`."""
    counted = [
        "n_lead > 0", "n_booked > 0", "n_kept > 0", "n_new > 0", "n_kept > n_new", "n_money > 0",
    ]  # fmt: skip
    kinds = ("lead", "booked", "kept", "new_patient", "collected")
    short = ("lead", "booked", "kept", "new", "money")
    sums = ", ".join(
        f"sum(case when kind = '{kind}' then conversions else 0 end) as n_{name}"
        for kind, name in zip(kinds, short, strict=True)
    )
    sql = (
        f"select block, service_line, location, who, {_bits(counted)} as what from ("
        f" select {block_of('week')} as block, service_line, location, {_who()} as who, {sums}"
        f" from int_conversions where {_between(since, until)} group by 1, 2, 3, 4) as counted"
        ""
    )
    cells = _cells(connection, sql, 1, len(counted) + 1)
    told = _told(cells, ("block",), ("service_line", "location"), names, everywhere=True)
    return replace(told, bits=len(counted) + 1)


def weeks(connection: Connection, since: str, until: str) -> Told:
    """How conversions of each kind are told by week, all places together."""
    counted = ["n_own > 0", "n_kept > n_own and kind = 'new_patient'"]
    sql = (
        f"select kind, block, week, who, {_bits(counted)} as what from ("
        f" select kinds.kind, {block_of('week')} as block, cast(week as varchar) as week,"
        f" {_who()} as who,"
        " sum(case when c.kind = kinds.kind then conversions else 0 end) as n_own,"
        " sum(case when c.kind = 'kept' then conversions else 0 end) as n_kept"
        f" from int_conversions as c inner join ({_KINDS}) as kinds on c.kind = kinds.counted"
        f" where {_between(since, until)} group by 1, 2, 3, 4) as counted"
    )
    cells = _cells(connection, sql, 2, len(counted) + 1)
    told = _told(cells, ("kind", "block"), ("week",), None)
    return replace(told, bits=len(counted) + 1)


def credited(connection: Connection, since: str, until: str, names: pd.DataFrame | None) -> Told:
    """How credit of each kind is told by channel and campaign, all places together.

    Models that give a conversion to one touch count people: whom they give to a cell is counted
    for each of them apart. Visits of new patients are some of all visits, so what is left of those
    is counted as well.
    """
    single = ("first", "last", "last_non_direct")
    own, kept = "c.kind = kinds.kind", "c.kind = 'kept'"
    sums = [f"sum(case when {own} then conversions else 0 end) as n_any",
            f"sum(case when {kept} then conversions else 0 end) as k_any"]  # fmt: skip
    for name in single:
        share = f"conversions * coalesce({name}_share, 1)"
        sums.append(f"sum(case when {own} then {share} else 0 end) as n_{name}")
        sums.append(f"sum(case when {kept} then {share} else 0 end) as k_{name}")
    every = ("any", *single)
    counted = [f"n_{name} > 0" for name in every]
    counted += [f"k_{name} > n_{name} and kind = 'new_patient'" for name in every]
    # A conversion counts once in each cell, however many of its touches are there.
    shares = ", ".join(f"sum({name}_share) as {name}_share" for name in single)
    sql = (
        f"select kind, block, channel, campaign, who, {_bits(counted)} as what from ("
        f" select kinds.kind, {block_of('week')} as block,"
        " coalesce(given.channel, 'unattributed') as channel,"
        f" coalesce(given.campaign, '') as campaign, {_who('c')} as who, {', '.join(sums)}"
        f" from int_conversions as c inner join ({_KINDS}) as kinds on c.kind = kinds.counted"
        " left join (select s.conversion_id, m.channel, m.campaign,"
        f" {shares} from int_shares as s inner join int_channel_map as m on s.map_id = m.map_id"
        " group by 1, 2, 3) as given on c.conversion_id = given.conversion_id"
        f" where {_between(since, until)} group by 1, 2, 3, 4, 5) as counted"
        ""
    )
    cells = _cells(connection, sql, 2, len(counted) + 1)
    told = _told(cells, ("kind", "block"), ("channel", "campaign"), names)
    return replace(told, bits=len(counted) + 1)


# Each kind is counted of itself; new patients are counted beside all kept visits.
_KINDS = " union all ".join(
    f"select '{kind}' as kind, '{counted}' as counted"
    for kind, counted in (
        *((kind, kind) for kind in ("lead", "booked", "kept", "new_patient", "collected")),
        ("new_patient", "kept"),
    )
)


def unsafe(connection: Connection, told: Told) -> int:
    """How many cells that would be told hold fewer than `LEAST` people in something counted.

    Counted anew by the engine, of the people that were asked for last, under the labels of the
    table `labels`.
    """
    if told.labels.empty:
        return 0
    every = list(map(str, told.labels))
    part = [name for name in every if f"told_{name}" in every]
    keys = [name for name in every if name not in part and not name.startswith("told_")]
    on = " and ".join(f"cells.{name} = labels.{name}" for name in (*keys, *part))
    told_as = ", ".join(f"labels.{name}" for name in (*keys, *(f"told_{name}" for name in part)))
    # First each person once in a cell: a count of the distinct would keep all of them in memory.
    few = " or ".join(
        f"count(case when (what & {1 << bit}) > 0 then 1 end) between 1 and {LEAST - 1}"
        for bit in range(told.bits)
    )
    sql = (
        "select count(*) from (select told_cell from ("
        "select told_cell, who, bit_or(what) as what from people_in_cells inner join ("
        f"select cells.cell, dense_rank() over (order by {told_as}) as told_cell"
        f" from cells inner join labels on {on}) as told on people_in_cells.cell = told.cell"
        " group by told_cell, who) as everybody"
        f" group by told_cell having {few}) as few"
    )
    return int(connection.exec_driver_sql(sql).scalar_one())


def _who(table: str = "") -> str:
    """Whoever converted: a person, or somebody nobody could identify, who is one of their own."""
    name = f"{table}." if table else ""
    return f"coalesce({name}person_id, -1 - {name}conversion_id)"


def _bits(counted: list[str]) -> str:
    """Bit 0 is for being in the cell at all, the others for what is counted of it."""
    every = [f"case when {what} then {2 << k} else 0 end" for k, what in enumerate(counted)]
    return f"cast({' + '.join(['1', *every])} as bigint)"


def _between(since: str, until: str) -> str:
    return f"{block_of('week')} between date '{since}' and date '{until}'"


def _cells(connection: Connection, sql: str, part: int, bits: int) -> Cells:
    """The people of each cell of each part; the first `part` columns say which part it is.

    The last two columns are who, and what is counted of them. The table `cells` gives each cell a
    number, and `people_in_cells` holds people by it: texts take many times the room.
    """
    connection.exec_driver_sql(f"create or replace temp table people_by_name as {sql}")
    columns = connection.exec_driver_sql("describe people_by_name").all()
    keys = ", ".join(f'"{column[0]}"' for column in columns[:-2])
    connection.exec_driver_sql(
        f"create or replace temp table cells as select {keys}, count(*) as people,"
        f" row_number() over (order by {keys}) as cell from people_by_name group by {keys}"
    )
    cells = fetch(connection, "select * exclude (cell) from cells order by cell")
    connection.exec_driver_sql(
        "create or replace temp table people_in_cells as select cell, who, what"
        f" from people_by_name inner join cells using ({keys})"
    )
    connection.exec_driver_sql("drop table people_by_name")
    # In the order of the cells, so that each has its people in a row.
    rows = fetch(connection, "select who, what from people_in_cells order by cell, who, what")
    who, what = (column.to_numpy().astype(np.int64, copy=False) for column in rows.columns)
    frame = cells.to_pandas()
    ends = frame.pop("people").cumsum().tolist()
    found: Cells = {}
    for start, end, row in zip([0, *ends], ends, frame.itertuples(index=False), strict=False):
        label = tuple(map(str, row[part:]))
        found.setdefault(tuple(row[:part]), {})[label] = People(
            who[start:end], what[start:end], bits
        )
    return found


def _told(
    cells: Cells,
    part: tuple[str, ...],
    keys: tuple[str, ...],
    names: pd.DataFrame | None,
    *,
    everywhere: bool = False,
) -> Told:
    """Fold every part; names that stood too rarely are folded in all of them.

    `everywhere` asks of the second key that it stands in every value of the first.
    """
    known = _known(names, len(part) - 1)
    if known is None and len(keys) > 1:
        known = _standing(cells, _folded(cells, {}), len(part) - 1, everywhere=everywhere)
    known = known or {}
    labels = _folded(cells, known)
    rows = [(*of, *member, *label) for of, told in labels.items() for member, label in told.items()]
    columns = [*part, *keys, *(f"told_{key}" for key in keys)]
    number = sum(map(len, cells.values()))
    own = len(part) + len(keys)
    folded = number - sum(row[len(part) : own] == row[own:] for row in rows)
    kept = [(*key, allowed) for key, allowed in sorted(known.items(), key=repr)]
    named = [*part[:-1], "first", "second", "allowed"]
    return Told(
        pd.DataFrame(rows, columns=columns), pd.DataFrame(kept, columns=named), number, folded
    )


def _folded(
    cells: Cells, known: Mapping[tuple[object, ...], bool]
) -> dict[Part, dict[Label, Label]]:
    return {of: fold(inside, _allowed(known, of[:-1])) for of, inside in cells.items()}


def _allowed(known: Mapping[tuple[object, ...], bool], of: Part) -> Callable[[Label], bool]:
    """A name that has not been judged, as a new campaign's, may stand."""
    return lambda prefix: known.get((*of, prefix[0], prefix[1] if prefix[1:] else ""), True)


def _known(names: pd.DataFrame | None, depth: int) -> Names | None:
    if names is None:
        return None
    return {tuple(row[: depth + 2]): bool(row[-1]) for row in names.itertuples(index=False)}


def _standing(
    cells: Cells, told: Mapping[Part, Mapping[Label, Label]], depth: int, *, everywhere: bool
) -> Names:
    """Which names stand often enough among the newest blocks, by part without block and prefix."""
    newest = sorted({of[-1] for of in cells}, key=str)[-_NEWEST:]
    seen: dict[tuple[object, ...], list[bool]] = {}
    for of, inside in cells.items():
        if of[-1] not in newest:
            continue
        stood = {label[:size] for label in told[of].values() for size in (1, 2)}
        for prefix in {label[:size] for label in inside for size in (1, 2)}:
            key = (*of[:depth], *prefix, *[""] * (2 - len(prefix)))
            seen.setdefault(key, []).append(prefix in stood)
    names = {key: sum(stood) >= _OFTEN * len(stood) for key, stood in seen.items()}
    if everywhere:
        bad = {key[-1] for key, stands in names.items() if key[-1] and not stands
               and names.get((*key[:-1], ""), False)}  # fmt: skip
        names |= {key: False for key in names if key[-1] in bad}
    return names
