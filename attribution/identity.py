"""Identity: one person from many identifiers, and the same person number from week to week.

A person is a connected component over hashed identifiers; an edge is two identifiers on one row.
An e-mail or phone that several patients share (a family, the clinic's own line) joins nobody.

Person numbers are stable. A component keeps the number that its identifiers had before; when two
numbered people turn out to be one, the one with more identifiers stays and the merge is recorded;
when one splits, the part with more identifiers keeps the number and the split is recorded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
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
)

from attribution.loading import fetch, has_person, lent
from attribution.paths import Home
from attribution.privacy import STRENGTH
from attribution.settings import IdentitySettings
from connectors.contract import ROWS, contract_fields

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
        self._engine: Engine = create_engine(f"sqlite:///{home.vault}")
        _METADATA.create_all(self._engine)
        home.vault.chmod(0o600)

    def numbers(self) -> pd.DataFrame:
        """Every identifier with its person number, ordered by identifier."""
        with self._engine.connect() as connection:
            rows = connection.exec_driver_sql(
                "select lower(hex(identifier)) as identifier, person_id from identity"
            ).fetchall()
        return pd.DataFrame(rows, columns=["identifier", "person_id"])

    def keep(self, run_id: str, numbers: pd.DataFrame, changes: pd.DataFrame) -> None:
        """Remember new and changed numbers, and what merged or split, in one transaction."""
        pairs = [
            (bytes.fromhex(identifier), person_id)
            for identifier, person_id in zip(
                numbers["identifier"], numbers["person_id"].tolist(), strict=True
            )
        ]
        with self._engine.begin() as connection:
            cursor = connection.connection.cursor()
            cursor.executemany("insert or replace into identity values (?, ?)", pairs)
            cursor.close()
            if len(changes):
                rows = changes.itertuples(index=False)
                connection.execute(
                    insert(_CHANGE), [{**r._asdict(), "run_id": run_id} for r in rows]
                )

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
    nodes = fetch(connection, "select identifier from node order by code").to_pandas()
    pairs = fetch(
        connection,
        "select a.code as a, b.code as b from edge inner join node as a "
        "on edge.a = a.identifier inner join node as b on edge.b = b.identifier",
    )
    ends = (pairs.column("a").to_numpy(), pairs.column("b").to_numpy())
    graph = coo_array((np.ones(len(pairs), dtype=np.int8), ends), shape=(len(nodes), len(nodes)))
    _, component = connected_components(graph, directed=False)
    people = nodes.assign(component=component)
    numbered, changes = number_people(people, vault.numbers())
    vault.keep(run_id, numbered.loc[numbered["changed"], ["identifier", "person_id"]], changes)
    arrow = pa.Table.from_pandas(numbered[["identifier", "person_id"]], preserve_index=False)
    with lent(connection, arrow) as name:
        connection.exec_driver_sql(
            f"create or replace table identity as select * from {name} order by identifier"
        )
    return Resolved(
        identifiers=len(numbered),
        people=int(numbered["person_id"].nunique()),
        shared=shared,
        merges=int((changes["kind"] == "merge").sum()),
        splits=int((changes["kind"] == "split").sum()),
    )


def number_people(people: pd.DataFrame, known: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give every component its person number.

    `people` has identifier and component, `known` identifier and person_id from earlier runs.
    Returns identifier, person_id and changed (not what the vault has), and the merges and splits.
    """
    people = people.merge(
        known.rename(columns={"person_id": "before"}), how="left", on="identifier"
    )
    votes = (
        people.dropna(subset=["before"])
        .groupby(["component", "before"])["identifier"]
        .agg(["size", "min"])
        .reset_index()
    )
    # Each number goes to the component that holds most of its identifiers, and each component
    # takes the best-supported of the numbers that fell to it; ties by identifier, never by order.
    best = votes.sort_values(["size", "min"], ascending=[False, True])
    home_of = best.drop_duplicates("before")
    kept = home_of.drop_duplicates("component").set_index("component")["before"]
    fresh = people.groupby("component")["identifier"].min().map(lambda h: int(h[:15], 16))
    # A number that another component keeps must not be given again.
    taken = fresh.isin(set(known["person_id"])) & ~fresh.index.isin(kept.index)
    fresh = fresh.where(~taken, people.groupby("component")["identifier"].max().map(_other_number))
    number = kept.reindex(fresh.index).astype("Int64").fillna(fresh.astype("Int64"))
    people["person_id"] = people["component"].map(number).astype("int64")
    people["changed"] = people["before"].isna() | (people["before"] != people["person_id"])
    moved = people.dropna(subset=["before"])
    moved = moved.loc[moved["before"] != moved["person_id"], ["before", "person_id"]]
    moved = moved.drop_duplicates().astype("int64")
    moved.columns = pd.Index(["from_person", "to_person"])
    still = set(people["person_id"])
    kinds = ["split" if person in still else "merge" for person in moved["from_person"]]
    changes = moved.assign(kind=kinds).sort_values(["from_person", "to_person"])
    return people[["identifier", "person_id", "changed"]], changes


def _other_number(identifier: str) -> int:
    return int(identifier[15:30], 16)


def _collect(connection: Connection, settings: IdentitySettings) -> int:
    """Make tables `edge` and `node`, without shared identifiers; returns how many are shared."""
    edges, singles = [], []
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
