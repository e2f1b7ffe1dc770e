"""Person numbers on the engine: what `identity_numbers` and `identity_changes` do, as statements.

The vault's map comes in by parts, and what is new goes back into it by parts.
"""

from collections.abc import Iterator, Sequence

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection

from attribution.identity_changes import caused, strongest
from attribution.identity_graph import halves, texts, unsigned
from attribution.identity_joining import REASONS
from attribution.identity_numbers import other_number, rehashed
from attribution.privacy import STRENGTH
from attribution.raw import batches, fetch, lent
from attribution.vault import Map, Vault

_PART = 250_000  # rows of the vault at a time


def land_vault(connection: Connection, vault: Vault) -> None:
    """Write `ever` (high, low, person): the number that every identifier had."""
    _make(connection, "ever", "select high, low, cast(0 as bigint) as person from node limit 0")
    for part in vault.parts(_PART):
        table = pa.table({"identifier": texts(part.high, part.low), "person": part.person})
        with lent(connection, table) as name:
            connection.exec_driver_sql(
                f"insert into ever select {halves('identifier', 'high', 'low')}, person from {name}"
            )


def number_groups(connection: Connection) -> None:
    """Write `numbered` (code, high, low, before, person) from `grouped`; 0 is no number."""
    _make(connection, "placed", _PLACED)
    _make(connection, "kept", _KEPT)
    _make(connection, "fresh", _FRESH)
    taken = fetch(connection, _TAKEN)
    if len(taken):
        _give_others(connection, taken)
    _make(connection, "numbered", _NUMBERED)
    _drop(connection, "placed", "kept", "fresh", "ever", "grouped")


def changes(connection: Connection) -> pd.DataFrame:
    """Which numbers went over into others, as `identity_numbers.moved` tells it, and why."""
    _make(connection, "moved", _MOVED)
    found: pd.DataFrame = fetch(
        connection, "select * from moved order by from_person, to_person"
    ).to_pandas()
    if not len(found):
        return found.assign(cause=[])
    merges, splits = (fetch(connection, query).to_pandas() for query in (_BRIDGES, _LOST))
    return found.assign(
        cause=caused(
            found,
            strongest(merges["who"], merges["strength"], "the same "),
            strongest(splits["who"], splits["strength"], "a shared "),
        )
    )


def news(connection: Connection) -> Iterator[Map]:
    """Every identifier whose number is new, in order, by parts."""
    query = (
        "select high, low, person from numbered where person <> 0 and before <> person "
        "order by high, low"
    )
    for batch in batches(connection, query, _PART):
        high, low, person = (column.to_numpy() for column in batch.columns)
        yield Map(unsigned(high), unsigned(low), person)


def let_go(connection: Connection) -> None:
    """Drop what is still there of all this."""
    _drop(connection, "node", "edge", "refused", "numbered", "moved")


def _give_others(connection: Connection, taken: pa.Table) -> None:
    """Other numbers for the parts of split people whose own number another part keeps."""
    own = taken.column("person").to_pylist()
    asked = dict.fromkeys(own, True) | _were(connection, [rehashed(number) for number in own])

    def is_taken(number: int) -> bool:
        if number not in asked:
            asked.update(_were(connection, [number]))
        return asked[number]

    given: set[int] = set()
    others = pa.array([other_number(number, given, is_taken) for number in own], pa.int64())
    with lent(connection, pa.table([taken.column("group_id"), others], ["id", "other"])) as name:
        connection.exec_driver_sql(
            f"update fresh set person = given.other from {name} as given where group_id = given.id"
        )


def _were(connection: Connection, numbers: Sequence[int]) -> dict[int, bool]:
    """Which of some numbers were ever a person's."""
    with lent(connection, pa.table({"number": pa.array(numbers, pa.int64())})) as name:
        found = fetch(
            connection, f"select distinct number from {name} inner join ever on number = person"
        )
    were = set(found.column("number").to_pylist())
    return {number: number in were for number in numbers}


def _make(connection: Connection, table: str, query: str) -> None:
    connection.exec_driver_sql(f"create or replace temp table {table} as {query}")


def _drop(connection: Connection, *tables: str) -> None:
    for table in tables:
        connection.exec_driver_sql(f"drop table {table}")


def _named(number: str, names: Sequence[str]) -> str:
    """SQL for the name at the place that a number says."""
    cases = " ".join(f"when {place} then '{name}'" for place, name in enumerate(names))
    return f"case {number} {cases} end"


def _identifier(of: str) -> str:
    """SQL for an identifier as the raw tables write it, from its halves in a table."""
    first, second = (f"lower(lpad(to_hex({of}.{half}), 16, '0'))" for half in ("high", "low"))
    return f"{first} || {second}"


REFUSED = f"""(
    select
        {_identifier("node")} as identifier,
        {_named("node.strength", STRENGTH)} as kind,
        {_named("refused.reason", REASONS)} as reason
    from refused
    inner join node on refused.code = node.code
)"""
IDENTITY = f"""
select {_identifier("numbered")} as identifier, person as person_id
from numbered
where person <> 0
"""
_PLACED = """
select node.code, node.high, node.low, grouped.group_id, coalesce(ever.person, 0) as before
from grouped
inner join node on grouped.code = node.code
left join ever on node.high = ever.high and node.low = ever.low
"""
# A number goes to the group that holds most of its identifiers, and of the numbers that fall to it
# a group takes the best supported; ties by identifier, never by arrival.
_KEPT = """
select group_id, number as person from (
    select
        group_id, number,
        row_number() over (partition by group_id order by votes desc, first_code) as choice
    from (
        select
            group_id, number, votes, first_code,
            row_number() over (partition by number order by votes desc, first_code) as choice
        from (
            select group_id, before as number, count(*) as votes, min(code) as first_code
            from placed
            where group_id >= 0 and before <> 0
            group by group_id, before
        ) as voted
    ) as fallen
    where choice = 1
) as best
where choice = 1
"""
# 60 bits of the hash of its first identifier.
_FRESH = f"""
select new.group_id, cast('0x' || left({_identifier("placed")}, 15) as bigint) as person
from (
    select placed.group_id, min(placed.code) as first_code
    from placed
    left join kept on placed.group_id = kept.group_id
    where placed.group_id >= 0 and kept.group_id is null
    group by placed.group_id
) as new
inner join placed on new.first_code = placed.code
"""
_TAKEN = """
select group_id, person from fresh
where person in (select person from ever)
order by group_id
"""
_NUMBERED = """
select
    placed.code, placed.high, placed.low, placed.before,
    coalesce(kept.person, fresh.person, 0) as person
from placed
left join kept on placed.group_id = kept.group_id
left join fresh on placed.group_id = fresh.group_id
"""
_MOVED = """
select
    gone.from_person,
    gone.to_person,
    case when still.person is null then 'merge' else 'split' end as kind
from (
    select distinct before as from_person, person as to_person
    from numbered
    where person <> 0 and before <> 0 and before <> person
) as gone
left join (select distinct person from numbered) as still on gone.from_person = still.person
"""
# Of people that others went over into: what those identifiers are that met two numbers.
_BRIDGES = """
with within as (
    select edge.a, edge.b, one.person, one.before as before_a, other.before as before_b
    from edge
    inner join numbered as one on edge.a = one.code
    inner join (select distinct to_person from moved where kind = 'merge') as grown
        on one.person = grown.to_person
    inner join numbered as other on edge.b = other.code and one.person = other.person
)

select met.person as who, min(node.strength) as strength
from (
    select person, code from (
        select person, b as code, before_a as number from within
        union all
        select person, b as code, before_b as number from within
        union all
        select person, a as code, before_a as number from within
        union all
        select person, a as code, before_b as number from within
    ) as ends
    where number <> 0
    group by person, code
    having count(distinct number) > 1
) as met
inner join node on met.code = node.code
group by met.person
"""
# Of people who split: which of their identifiers turned out to be shared.
_LOST = """
select numbered.before as who, min(node.strength) as strength
from numbered
inner join node on numbered.code = node.code
where numbered.person = 0 and numbered.before <> 0
group by numbered.before
"""
