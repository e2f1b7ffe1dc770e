"""Identity: one person from many identifiers, and the same person number from week to week.

`identity_graph` reads which identifiers share a row, `identity_joining` says who is joined and by
what not, `identity_numbers` gives each person the number that they had before, and the vault keeps
it. When two numbered people turn out to be one, the one with more identifiers stays and the merge
is recorded; when one splits, the part with more identifiers keeps the number and the split is
recorded.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import Connection

from attribution.identity_changes import causes, ensure_identity_tables, write_changes
from attribution.identity_graph import Namespaces, Read, known_by, read_graph
from attribution.identity_joining import REASONS
from attribution.identity_memory import Joined, join
from attribution.identity_numbers import moved, number_people
from attribution.privacy import STRENGTH
from attribution.raw import lent
from attribution.settings import IdentitySettings
from attribution.vault import Map, Vault, open_vault

__all__ = ["Resolved", "Vault", "number_people", "open_vault", "resolve"]


@dataclass(frozen=True, slots=True)
class Resolved:
    """What one run of identity found."""

    identifiers: int
    people: int
    shared: int  # identifiers that would have joined too many people, and so joined none
    merges: int
    splits: int


def resolve(
    connection: Connection,
    vault: Vault,
    run_id: str,
    settings: IdentitySettings,
    namespaces: Mapping[str, Namespaces] | None = None,
) -> Resolved:
    """Write table `identity` (identifier, person_id) for all identifiers in the raw tables.

    The order in which rows arrived makes no difference. Identifiers that are shared by too many
    people are left out, so that a row known only by one of them belongs to nobody.
    """
    ensure_identity_tables(connection)
    read = read_graph(connection, namespaces or {})
    joined = join(read.graph, settings)
    _write_shared(connection, read, joined)
    kept = np.flatnonzero(joined.group >= 0)
    known = vault.read()
    place = known.places(read.high, read.low)
    ever = known.person[place] * (place >= 0) if len(known) else np.zeros_like(place)
    before = ever[kept]
    person = number_people(
        joined.group[kept],
        before,
        # 60 bits of the hash: a person's number fits a signed 64-bit integer.
        (read.high[kept] >> np.uint64(4)).astype(np.int64),
        known.person,
    )
    changes = moved(before, person)
    everyone = np.zeros(len(read.graph), dtype=np.int64)
    everyone[kept] = person
    changes["cause"] = causes(changes, read.graph, everyone, ever)
    _write(connection, read, kept, person)
    news = before != person
    added = Map(read.high[kept][news], read.low[kept][news], person[news])
    vault.keep(run_id, known, added, changes)
    write_changes(connection, vault.changes(), run_id)
    return Resolved(
        identifiers=len(kept),
        people=len(np.unique(person)),
        shared=len(joined.group) - len(kept),
        merges=int((changes["kind"] == "merge").sum()),
        splits=int((changes["kind"] == "split").sum()),
    )


def _write(
    connection: Connection, read: Read, kept: npt.NDArray[np.int64], person: npt.NDArray[np.int64]
) -> None:
    table = pa.table({"identifier": read.identifiers(kept), "person_id": person})
    with lent(connection, table) as name:
        connection.exec_driver_sql(f"create or replace table identity as from {name}")


def _write_shared(connection: Connection, read: Read, joined: Joined) -> None:
    """Which identifiers join nobody, for the counts that pages show; never leaves this store."""
    rows = np.flatnonzero(joined.reason)
    kinds = np.array(STRENGTH, dtype=object)[read.graph.strength[rows]]
    reasons = np.array(REASONS, dtype=object)[joined.reason[rows]]
    table = pa.table(
        {
            "identifier": read.identifiers(rows),
            "kind": pa.array(kinds, pa.string()),
            "reason": pa.array(reasons, pa.string()),
        }
    )
    with lent(connection, table) as name:
        connection.exec_driver_sql(
            "create or replace table identity_shared as select distinct found.source, "
            f"{name}.identifier, {name}.kind, {name}.reason from {name} "
            f"inner join ({known_by()}) as found on {name}.identifier = found.identifier"
        )
