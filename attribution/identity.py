"""Identity: one person from many identifiers, and the same person number from week to week.

A person is a connected component over hashed identifiers; an edge is two identifiers on one row.
An e-mail or phone that several patients share (a family, the clinic's own line) joins nobody.

Person numbers are stable. A component keeps the number that its identifiers had before; when two
numbered people turn out to be one, the one with more identifiers stays and the merge is recorded;
when one splits, the part with more identifiers keeps the number and the split is recorded.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    create_engine,
    insert,
    select,
)

from attribution.paths import Home
from attribution.privacy import STRENGTH
from attribution.raw import batches, fetch, has_person, lent
from attribution.settings import IdentitySettings
from connectors.contract import ROWS, contract_fields

CHUNK = 100_000
Array = npt.NDArray[np.int64]

_METADATA = MetaData()
_MAP = Table(
    "identity",
    _METADATA,
    Column("identifier", LargeBinary(16), primary_key=True),
    Column("person_id", Integer, nullable=False),
    sqlite_with_rowid=False,
)
_CHANGE = Table(
    "change",
    _METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("run_id", Text, nullable=False),
    Column("kind", Text, nullable=False),  # merge, split
    Column("from_person", Integer, nullable=False),
    Column("to_person", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What one run of identity found."""

    identifiers: int
    people: int
    shared: int  # identifiers that would have joined too many people, and so joined none
    merges: int
    splits: int


class Vault:
    """The identity map that outlives generations; only the refresh opens it."""

    def __init__(self, home: Home) -> None:
        home.vault.touch(mode=0o600)
        self._engine: Engine = create_engine(f"sqlite:///{home.vault}")
        _METADATA.create_all(self._engine)

    def numbers(self) -> pa.Table:
        """Every identifier (16 bytes) with its person number."""
        schema = pa.schema([("identifier", pa.binary(16)), ("person_id", pa.int64())])
        batches = []
        with self._engine.connect() as connection:
            rows = connection.exec_driver_sql("select identifier, person_id from identity")
            # Read in parts: as Python objects all of them at once would take gigabytes.
            while part := rows.fetchmany(CHUNK):
                columns = [list(column) for column in zip(*part, strict=True)]
                batches.append(pa.record_batch(columns, schema=schema))
        return pa.Table.from_batches(batches, schema=schema)

    def keep(self, run_id: str, numbers: Iterable[pa.RecordBatch], changes: pd.DataFrame) -> None:
        """Remember new and changed numbers, and what merged or split, in one transaction."""
        with self._engine.begin() as connection:
            cursor = connection.connection.cursor()
            for batch in numbers:
                identifiers, people = batch.to_pydict().values()
                pairs = zip(map(bytes.fromhex, identifiers), people, strict=True)
                cursor.executemany("insert or replace into identity values (?, ?)", list(pairs))
            cursor.close()
            if len(changes):
                rows = pa.Table.from_pandas(changes.assign(run_id=run_id), preserve_index=False)
                connection.execute(insert(_CHANGE), rows.to_pylist())

    def changes(self) -> pd.DataFrame:
        """Every merge and split, in the order in which they were found."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(_CHANGE).order_by(_CHANGE.c.number)).fetchall()
        return pd.DataFrame(rows, columns=[column.name for column in _CHANGE.columns])

    def close(self) -> None:
        self._engine.dispose()


@contextmanager
def open_vault(home: Home) -> Iterator[Vault]:
    """The vault of a home folder, closed when the block ends."""
    vault = Vault(home)
    try:
        yield vault
    finally:
        vault.close()


def resolve(
    connection: Connection, vault: Vault, run_id: str, settings: IdentitySettings
) -> Resolved:
    """Write table `identity` (identifier, person_id) for all identifiers in the raw tables.

    The order in which rows arrived makes no difference. Identifiers that are shared by too many
    people are left out, so that a row known only by one of them belongs to nobody.
    """
    shared = _collect(connection, settings)
    known = vault.numbers()
    nodes = _nodes(connection, known)
    pairs = fetch(
        connection,
        "select a.code as a, b.code as b from edge inner join node as a "
        "on edge.a = a.identifier inner join node as b on edge.b = b.identifier",
    )
    ends = (pairs.column("a").to_numpy(), pairs.column("b").to_numpy())
    graph = coo_array((np.ones(len(pairs), dtype=np.int8), ends), shape=(len(nodes), len(nodes)))
    people, component = connected_components(graph, directed=False)
    before = nodes["before"].to_numpy()
    person_id = number_people(
        component.astype(np.int64),
        before,
        nodes["own"].to_numpy(),
        known.column("person_id").to_numpy(),
    )
    changes = _changes(before, person_id)
    numbered = pa.table({"code": np.arange(len(nodes)), "person_id": person_id})
    with lent(connection, numbered) as name:
        connection.exec_driver_sql(
            "create or replace table identity as select node.identifier, numbered.person_id "
            f"from node inner join {name} as numbered on node.code = numbered.code "
            "order by node.identifier"
        )
    news = batches(
        connection,
        "select identity.identifier, identity.person_id from identity "
        "inner join node on identity.identifier = node.identifier "
        "where node.before <> identity.person_id",
        CHUNK,
    )
    vault.keep(run_id, news, changes)
    return Resolved(
        identifiers=len(nodes),
        people=int(people),
        shared=shared,
        merges=int((changes["kind"] == "merge").sum()),
        splits=int((changes["kind"] == "split").sum()),
    )


def number_people(component: Array, before: Array, own: Array, taken: Array) -> Array:
    """The person number of every identifier, in the identifiers' order.

    `component` says which identifiers are one person, `before` which number each had (0: none),
    `own` the number that each would give a person if it were the first of a new one, and `taken`
    which numbers were ever given.
    """
    held = pd.DataFrame({"component": component, "before": before, "code": np.arange(len(own))})
    held = held[held["before"] != 0]
    votes = held.groupby(["component", "before"])["code"].agg(["size", "min"]).reset_index()
    # A number goes to the component that holds most of its identifiers, and of the numbers that
    # fall to it a component takes the best supported; ties by identifier, never by arrival.
    best = votes.sort_values(["size", "min"], ascending=[False, True])
    kept = best.drop_duplicates("before").drop_duplicates("component")
    # The identifiers are sorted, so the first of a component is its smallest.
    components, first, of = np.unique(component, return_index=True, return_inverse=True)
    # Arrays of integers throughout: a float holds 53 bits, and person numbers have 60.
    number = own[first]
    number[np.searchsorted(components, kept["component"].to_numpy())] = kept["before"].to_numpy()
    fresh = ~np.isin(components, kept["component"].to_numpy())
    given: set[int] = set()
    for place in np.flatnonzero(fresh & np.isin(number, taken)):
        number[place] = _other_number(int(number[place]), given, taken)
    return number[of]


def _other_number(number: int, given: set[int], taken: Array) -> int:
    """A number for the part of a split person whose own number another part keeps."""
    while number in given or number in taken:
        number = int(sha256(str(number).encode()).hexdigest()[:15], 16)
    given.add(number)
    return number


def _changes(before: Array, person_id: Array) -> pd.DataFrame:
    """Which numbers went over into others: merged where the old one is gone, else split off."""
    moved = pd.DataFrame({"from_person": before, "to_person": person_id})
    moved = moved[(before != 0) & (before != person_id)].drop_duplicates()
    still = moved["from_person"].isin(person_id)
    moved["kind"] = np.where(still, "split", "merge")
    ordered: pd.DataFrame = moved.sort_values(["from_person", "to_person"])
    return ordered


def _nodes(connection: Connection, known: pa.Table) -> pd.DataFrame:
    """Add to `node` the number each identifier had before; returns before and own by code."""
    with lent(connection, known) as name:
        connection.exec_driver_sql(
            "create or replace temp table node as select node.code, node.identifier, "
            "coalesce(known.person_id, 0) as before from node "
            f"left join {name} as known on unhex(node.identifier) = known.identifier"
        )
    nodes: pd.DataFrame = fetch(
        connection,
        # 60 bits of the hash: a person's number fits a signed 64-bit integer.
        "select before, cast('0x' || left(identifier, 15) as bigint) as own "
        "from node order by code",
    ).to_pandas()
    return nodes


def _collect(connection: Connection, settings: IdentitySettings) -> int:
    """Make tables `edge` and `node`, without shared identifiers; returns how many are shared."""
    edges: list[str] = []
    singles: list[str] = []
    for row in ROWS:
        if not has_person(row):
            continue
        table = f"raw_{row.spec.table}"
        singles.append(f"select identifier from {table} where identifier is not null")
        edges.extend(
            f"select distinct identifier as a, {spec.name} as b, '{spec.identifier}' as b_kind "
            f"from {table} where {spec.name} is not null and {spec.name} <> identifier"
            for spec in contract_fields(row)
            if spec.identifier in STRENGTH
        )
    connection.exec_driver_sql(
        f"create or replace temp table pair as select distinct a, b, b_kind "
        f"from ({' union all '.join(edges)})"
    )
    patients = _known_as("patient_id")
    contacts = _known_as("crm_id")
    connection.exec_driver_sql(
        "create or replace temp table shared as select b as identifier from pair "
        f"left join ({patients}) as p on pair.a = p.identifier "
        f"left join ({contacts}) as c on pair.a = c.identifier "
        "where b_kind in ('email', 'phone') group by b "
        f"having count(distinct p.identifier) > {settings.max_patients} "
        f"or count(distinct c.identifier) > {settings.max_contacts}"
    )
    connection.exec_driver_sql(
        "create or replace temp table edge as select distinct a, b from pair "
        "where a not in (select identifier from shared) "
        "and b not in (select identifier from shared)"
    )
    connection.exec_driver_sql(
        "create or replace temp table node as "
        "select row_number() over (order by identifier) - 1 as code, identifier from ("
        f"select distinct identifier from ({' union all '.join(singles)} "
        "union all select a from edge union all select b from edge) as every "
        "where identifier not in (select identifier from shared))"
    )
    return int(connection.exec_driver_sql("select count(*) from shared").scalar_one())


def _known_as(kind: str) -> str:
    """SQL for all identifiers of one kind."""
    parts = [
        f"select {spec.name} as identifier from raw_{row.spec.table} where {spec.name} is not null"
        for row in ROWS
        for spec in contract_fields(row)
        if spec.identifier == kind
    ]
    return f"select distinct identifier from ({' union all '.join(parts)})"
