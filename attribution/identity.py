"""Identity: one person from many identifiers, and the same person number from week to week.

`identity_graph` says which identifiers there are and which share a row, `identity_joining` who is
joined and by what not, `identity_numbers` gives each person the number that they had before, and
the vault keeps it. When two numbered people turn out to be one, the one with more identifiers stays
and the merge is recorded; when one splits, the part with more identifiers keeps the number and the
split is recorded. Where identifiers are too many for memory the engine does all of it, with the
same outcome: `identity_engine`, `identity_engine_numbers`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection

from attribution import identity_engine_numbers as engine_numbers
from attribution.identity_changes import causes, ensure_identity_tables, write_changes
from attribution.identity_engine import join_on_engine
from attribution.identity_graph import Namespaces, Read, known_by, make_nodes, read_graph
from attribution.identity_joining import REASONS
from attribution.identity_memory import Joined, join
from attribution.identity_numbers import moved, number_people
from attribution.privacy import STRENGTH
from attribution.raw import lent
from attribution.settings import IdentitySettings
from attribution.tombstones import forgotten
from attribution.vault import Map, Vault, open_vault

__all__ = ["Resolved", "Vault", "number_people", "open_vault", "resolve"]

# Identifiers that are joined in memory where the setting says neither: what 4 GiB hold, with the
# engine beside them (docs/identity.md).
FIT_IN_MEMORY = 10_000_000
FORGOTTEN = "forgotten"  # why an identifier joins nobody: one of those who shared it was


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
    people are left out, so that a row known only by one of them belongs to nobody; those of which
    one of the people was forgotten stay so, or their rows would be the others' from then on.
    """
    ensure_identity_tables(connection)
    size = make_nodes(connection, namespaces or {}, forgotten(vault).shared)
    fits = size <= FIT_IN_MEMORY
    in_memory = fits if settings.joined == "auto" else settings.joined == "memory"
    changes = (_in_memory if in_memory else _on_engine)(connection, vault, run_id, settings)
    write_changes(connection, vault.changes(), run_id)
    apart = _write_apart(connection)
    identifiers, people = connection.exec_driver_sql(
        "select count(*), count(distinct person_id) from identity"
    ).one()
    return Resolved(
        identifiers=identifiers,
        people=people,
        shared=size - identifiers + apart,
        merges=int((changes["kind"] == "merge").sum()),
        splits=int((changes["kind"] == "split").sum()),
    )


def _in_memory(
    connection: Connection, vault: Vault, run_id: str, settings: IdentitySettings
) -> pd.DataFrame:
    """Join, number, write and keep; what merged and split."""
    read = read_graph(connection)
    connection.exec_driver_sql("drop table node")
    joined = join(read.graph, settings)
    with lent(connection, _refused(read, joined)) as name:
        _write_shared(connection, name)
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
    vault.keep(run_id, [Map(read.high[kept][news], read.low[kept][news], person[news])], changes)
    return changes


def _on_engine(
    connection: Connection, vault: Vault, run_id: str, settings: IdentitySettings
) -> pd.DataFrame:
    """The same by the engine; here are only what merged and split, and parts of the vault."""
    join_on_engine(connection, settings)
    _write_shared(connection, engine_numbers.REFUSED)
    engine_numbers.land_vault(connection, vault)
    engine_numbers.number_groups(connection)
    changes = engine_numbers.changes(connection)
    connection.exec_driver_sql(f"create or replace table identity as {engine_numbers.IDENTITY}")
    vault.keep(run_id, engine_numbers.news(connection), changes)
    engine_numbers.let_go(connection)
    return changes


def _write(
    connection: Connection, read: Read, kept: npt.NDArray[np.int64], person: npt.NDArray[np.int64]
) -> None:
    table = pa.table({"identifier": read.identifiers(kept), "person_id": person})
    with lent(connection, table) as name:
        connection.exec_driver_sql(f"create or replace table identity as from {name}")


def _refused(read: Read, joined: Joined) -> pa.Table:
    """Which identifiers join nobody, and why: identifier, kind, reason."""
    rows = np.flatnonzero(joined.reason)
    kinds = np.array(STRENGTH, dtype=object)[read.graph.strength[rows]]
    reasons = np.array(REASONS, dtype=object)[joined.reason[rows]]
    return pa.table(
        {
            "identifier": read.identifiers(rows),
            "kind": pa.array(kinds, pa.string()),
            "reason": pa.array(reasons, pa.string()),
        }
    )


def _write_shared(connection: Connection, refused: str) -> None:
    """Which identifiers join nobody, for the counts that pages show; never leaves this store."""
    connection.exec_driver_sql(
        "create or replace table identity_shared as "
        "select distinct found.source, refused.identifier, refused.kind, refused.reason "
        f"from {refused} as refused "
        f"inner join ({known_by()}) as found on refused.identifier = found.identifier"
    )


def _write_apart(connection: Connection) -> int:
    """Which identifiers join nobody any more, as somebody who shared them was forgotten."""
    connection.exec_driver_sql(
        f"insert into identity_shared select distinct source, identifier, kind, '{FORGOTTEN}' "
        f"from ({known_by()}) as found where identifier in (select identifier from kept_apart)"
    )
    connection.exec_driver_sql("drop table kept_apart")
    counted = f"select count(distinct identifier) from identity_shared where reason = '{FORGOTTEN}'"
    return int(connection.exec_driver_sql(counted).scalar_one())
