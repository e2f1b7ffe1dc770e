"""What merged and what split: why, and the tables that models and people's questions read."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection

from attribution.identity_memory import Graph
from attribution.privacy import STRENGTH
from attribution.raw import lent

Numbers = npt.NDArray[np.int64]
NEW_RECORDS = "new records"
GONE = "a record no longer says so"
_CHANGES = pa.schema(
    [
        ("number", pa.int64()),
        ("kind", pa.string()),
        ("from_person", pa.int64()),
        ("to_person", pa.int64()),
        ("found_on", pa.string()),
        ("cause", pa.string()),
        ("latest", pa.bool_()),
    ]
)


def ensure_identity_tables(connection: Connection) -> None:
    """Create what identity writes where it is missing, so that models can read it."""
    connection.exec_driver_sql(
        "create table if not exists identity (identifier varchar, person_id bigint)"
    )
    connection.exec_driver_sql(
        "create table if not exists identity_shared "
        "(source varchar, identifier varchar, kind varchar, reason varchar)"
    )
    connection.exec_driver_sql(
        "create table if not exists identity_changes (number bigint, kind varchar, "
        "from_person bigint, to_person bigint, found_on varchar, cause varchar, latest boolean)"
    )


def write_changes(connection: Connection, changes: pd.DataFrame, run_id: str) -> None:
    """Every merge and split so far; `latest` are those of this refresh."""
    changes = changes.assign(latest=changes["run_id"] == run_id)[_CHANGES.names]
    changes["found_on"] = changes["found_on"].astype(object)
    table = pa.Table.from_pandas(changes, schema=_CHANGES, preserve_index=False)
    with lent(connection, table) as name:
        connection.exec_driver_sql(f"create or replace table identity_changes as from {name}")


def causes(changes: pd.DataFrame, graph: Graph, person: Numbers, ever: Numbers) -> list[str]:
    """The cause of every change, as kinds of identifiers; never which.

    `person` is the number of every identifier now (0: it joins nobody), `ever` the one before.
    """
    if not len(changes):
        return []
    return caused(changes, _bridges(graph, person, ever, changes), _lost(graph, person, ever))


def caused(
    changes: pd.DataFrame, merges: Mapping[int, str], splits: Mapping[int, str]
) -> list[str]:
    """The cause of every change, from those of merges into a person and of splits from one."""
    told = zip(
        changes["kind"].tolist(),
        changes["from_person"].tolist(),
        changes["to_person"].tolist(),
        strict=True,
    )
    return [
        merges.get(after, NEW_RECORDS) if kind == "merge" else splits.get(before, GONE)
        for kind, before, after in told
    ]


def _bridges(graph: Graph, person: Numbers, ever: Numbers, changes: pd.DataFrame) -> dict[int, str]:
    """Of people that others went over into: what those identifiers are that met two numbers."""
    grown = np.unique(changes.loc[changes["kind"] == "merge", "to_person"].to_numpy(np.int64))
    rows = np.isin(person[graph.a], grown) & (person[graph.b] == person[graph.a])
    a, b = graph.a[rows], graph.b[rows]
    met = pd.DataFrame(
        {"at": np.concatenate([b, b, a, a]), "ever": ever[np.concatenate([a, b, b, a])]}
    )
    met = met[met["ever"] != 0].drop_duplicates()
    at = met.groupby("at").size()
    found = at[at > 1].index.to_numpy(np.int64)
    return strongest(person[found], graph.strength[found], "the same ")


def _lost(graph: Graph, person: Numbers, ever: Numbers) -> dict[int, str]:
    """Of people who split: which of their identifiers turned out to be shared."""
    found = np.flatnonzero((person == 0) & (ever != 0))
    return strongest(ever[found], graph.strength[found], "a shared ")


def strongest(
    who: Numbers | pd.Series, strength: npt.NDArray[np.int8] | pd.Series, words: str
) -> dict[int, str]:
    """By person, the kind of these identifiers that says most."""
    said = pd.Series(np.asarray(strength)).groupby(np.asarray(who)).min()
    pairs = zip(said.index.tolist(), said.tolist(), strict=True)
    return {number: words + SPOKEN[STRENGTH[kind]] for number, kind in pairs}


SPOKEN = {
    "patient_id": "patient number",
    "crm_id": "CRM number",
    "email_name": "e-mail address and first name",
    "phone_name": "phone number and first name",
    "email": "e-mail address",
    "phone": "phone number",
    "client_id": "browser",
    "click_id": "click",
}
