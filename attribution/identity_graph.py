"""Which identifiers there are, and which share a row: read from the raw tables."""

from binascii import hexlify
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import Connection

from attribution.identity_memory import Codes, Graph
from attribution.privacy import STRENGTH, stored_fields
from attribution.raw import fetch, has_person, lent
from attribution.vault import Halves
from connectors.contract import ROWS, Row, contract_fields

Namespaces = tuple[str, str]  # of a source: its patient numbers', its contacts' numbers'
_PART = 1_000_000
_DEFAULT: Namespaces = ("emr", "crm")


@dataclass(frozen=True, slots=True)
class Read:
    """Every identifier, in order, as the two halves of its hash, and the graph over their places.

    Halves are numbers: a hash table of ten million texts would take all the memory there is.
    """

    high: Halves
    low: Halves
    graph: Graph

    def identifiers(self, places: Codes) -> pa.ChunkedArray:
        """Some of them as they are written in the raw tables."""
        parts = range(0, max(len(places), 1), _PART)
        some = (places[at : at + _PART] for at in parts)
        return pa.chunked_array([texts(self.high[part], self.low[part]) for part in some])


def texts(high: Halves, low: Halves) -> pa.Array:
    """Identifiers as they are written in the raw tables, from their halves."""
    both = np.stack([high, low], axis=1).astype(">u8")
    ends = np.arange(len(high) + 1, dtype=np.int32) * 32
    return pa.StringArray.from_buffers(
        len(high), pa.py_buffer(ends.tobytes()), pa.py_buffer(hexlify(both.tobytes()))
    )


def read_graph(connection: Connection) -> Read:
    """Read which identifiers there are in `node`, and which share a row of the raw tables."""
    nodes = fetch(connection, "select high, low, strength, namespace from node order by code")
    years_told = fetch(connection, born())
    pairs = fetch(
        connection, f"select cast(a as bigint) as a, cast(b as bigint) as b from ({edges()}) as e"
    )
    years = np.zeros(len(nodes), dtype=np.int16)
    years[years_told.column("code").to_numpy()] = years_told.column("born").to_numpy()
    graph = Graph(
        nodes.column("strength").to_numpy().astype(np.int8),
        nodes.column("namespace").to_numpy().astype(np.int16),
        years,
        pairs.column("a").to_numpy(),
        pairs.column("b").to_numpy(),
    )
    high, low = (unsigned(nodes.column(name).to_numpy()) for name in ("high", "low"))
    return Read(high, low, graph)


def unsigned(half: npt.NDArray[Any]) -> Halves:
    """Halves of hashes; engines without numbers of 64 bits and no sign give them less 2^63."""
    if half.dtype == np.uint64:
        return half
    numbers: Halves = half.view(np.uint64) ^ np.uint64(1 << 63)
    return numbers


def _columns() -> Iterator[tuple[type[Row], str, int]]:
    """Every column that holds identifiers: its kind of row, its name, how strong it is."""
    for row in ROWS:
        if has_person(row):
            for spec in stored_fields(row):
                if spec.identifier in STRENGTH:
                    yield row, spec.name, STRENGTH.index(spec.identifier)


def known_by() -> str:
    """SQL for every identifier with the source that knows it, as often as it says so."""
    return " union all ".join(
        f"select source, {name} as identifier, '{STRENGTH[strength]}' as kind "
        f"from raw_{row.spec.table} where {name} is not null"
        for row, name, strength in _columns()
    )


def halves(column: str, high: str, low: str) -> str:
    """SQL for the two halves of an identifier, under these names."""
    return (
        f"cast('0x' || left({column}, 16) as ubigint) as {high}, "
        f"cast('0x' || substr({column}, 17) as ubigint) as {low}"
    )


def _pairs() -> Iterator[str]:
    for row, name, _ in _columns():
        yield (
            f"select {halves('identifier', 'a_high', 'a_low')}, "
            f"{halves(name, 'b_high', 'b_low')} from raw_{row.spec.table} "
            f"where {name} is not null and {name} <> identifier"
        )


def edges() -> str:
    """SQL for which identifiers share a row, by code: `a` of `strength`, `b` as weak or weaker."""
    return (
        "select a.code as a, b.code as b, b.strength as kind, a.strength as strength from ("
        f"select distinct a_high, a_low, b_high, b_low from ({' union all '.join(_pairs())})"
        ") as pair inner join node as a on pair.a_high = a.high and pair.a_low = a.low "
        "inner join node as b on pair.b_high = b.high and pair.b_low = b.low"
    )


def born() -> str:
    """SQL for the birth year on every record that has one; of several, the first."""
    rows = [row for row in ROWS if any(f.name == "birth_year" for f in contract_fields(row))]
    every = " union all ".join(
        f"select {halves('identifier', 'high', 'low')}, birth_year from raw_{row.spec.table} "
        "where birth_year between 1 and 9999"
        for row in rows
    )
    return (
        "select cast(node.code as bigint) as code, cast(min(birth_year) as smallint) as born "
        f"from ({every}) as told inner join node using (high, low) group by node.code"
    )


def make_nodes(
    connection: Connection, namespaces: Mapping[str, Namespaces], apart: Sequence[str] = ()
) -> int:
    """Write every identifier of the raw tables once into `node`; how many there are.

    Those that are kept `apart` are not among them, and so join nobody: `kept_apart` (identifier,
    no_high, no_low) has them.
    Table `node`: code (its place in the order of identifiers), high, low, strength, namespace.
    """
    # The hash says the kind and the namespace, so every source of a number has the same of both.
    every = " union all ".join(
        f"select {halves(name, 'high', 'low')}, cast({strength} as tinyint) as strength, source "
        f"from raw_{row.spec.table} where {name} is not null"
        for row, name, strength in _columns()
    )
    with lent(connection, pa.table({"identifier": pa.array(apart, pa.string())})) as given:
        connection.exec_driver_sql(
            "create or replace temp table kept_apart as "
            f"select identifier, {halves('identifier', 'no_high', 'no_low')} from {given}"
        )
    with lent(connection, _numbered(namespaces)) as lists:
        connection.exec_driver_sql(
            "create or replace temp table node as "
            "select cast(row_number() over (order by high, low) - 1 as integer) as code, "
            "high, low, strength, cast(coalesce("
            "case strength when 0 then named.patients when 1 then named.contacts end, 0"
            ") as smallint) as namespace from ("
            "select high, low, min(strength) as strength, min(source) as source "
            f"from ({every}) as every group by high, low) as found "
            f"left join {lists} as named on found.source = named.source "
            "left join kept_apart on found.high = no_high and found.low = no_low "
            "where no_high is null"
        )
    return int(connection.exec_driver_sql("select count(*) from node").scalar_one())


def _numbered(namespaces: Mapping[str, Namespaces]) -> pa.Table:
    """The namespaces of every source as numbers; 0 is that of sources nobody speaks of."""
    rows = [(source, *both) for source, both in sorted(namespaces.items())]
    numbers = []
    for kind in (0, 1):
        names = [_DEFAULT[kind], *sorted({row[kind + 1] for row in rows} - {_DEFAULT[kind]})]
        numbers.append([names.index(row[kind + 1]) for row in rows])
    return pa.table(
        {
            "source": pa.array([row[0] for row in rows], pa.string()),
            "patients": pa.array(numbers[0], pa.int64()),
            "contacts": pa.array(numbers[1], pa.int64()),
        }
    )
