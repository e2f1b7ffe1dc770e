"""How well identity joins a simulated world: pairs of records, against who they truly are of."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection

from attribution.demo.tables import tables_of
from attribution.demo.who import truly
from attribution.demo.worlds import World
from attribution.identity import Resolved, resolve
from attribution.privacy import Door
from attribution.raw import ensure_raw_tables, has_person, lent
from attribution.settings import IdentitySettings
from attribution.vault import Vault
from connectors.columns import arrow_schema
from connectors.contract import BY_TABLE, contract_fields

_KEY = b"a key for simulated people only!"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of records that are truly of one person, that were joined, and that were rightly so."""

    true: int
    joined: int
    right: int

    @property
    def precision(self) -> float:
        return self.right / self.joined if self.joined else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.true if self.true else 1.0


def measured(
    connection: Connection, vault: Vault, world: World, settings: IdentitySettings
) -> tuple[Resolved, dict[str, Pairs]]:
    """Join a world's records in an empty store and count pairs.

    `records` are those in which a system names somebody: patients, contacts, appointments, visits,
    payments, deals, calls, messages, consents and answers. `patients and contacts` are those two
    alone. `everything` has the visits of browsers and the openings of mail too, most of which no
    system can name.
    """
    tables = tables_of(world)
    ensure_raw_tables(connection)
    door = Door(_KEY, first_names=settings.tell_apart)
    records = []
    for name, owners in truly(tables).items():
        identifiers = _load(connection, name, tables[name], door)
        records.append(
            pd.DataFrame({"table": name, "identifier": identifiers, "owner": owners["owner"]})
        )
    found = resolve(connection, vault, "measured", settings)
    rows = connection.exec_driver_sql("select identifier, person_id from identity").fetchall()
    number = {row[0]: row[1] for row in rows}
    every = pd.concat(records, ignore_index=True)
    # Whoever belongs to nobody is joined with nobody.
    alone = pd.Series(-np.arange(len(every)) - 1, index=every.index)
    every["person"] = every["identifier"].map(number).fillna(alone).astype(np.int64)
    named = every["table"] != "touchpoint"
    both = every["table"].isin(["person", "contact"])
    return found, {
        "records": _pairs(every[named]),
        "patients and contacts": _pairs(every[both]),
        "everything": _pairs(every),
    }


def _load(connection: Connection, name: str, frame: pd.DataFrame, door: Door) -> list[str | None]:
    """Load what identity reads of one kind of row; returns the strongest identifier of each."""
    row = BY_TABLE[name]
    schema = arrow_schema(row)
    columns: Mapping[str, pa.Array] = {
        each.column: pa.array(
            frame[each.name].astype(object), schema.field(each.column).type, from_pandas=True
        )
        if (each.identifier or each.name == "birth_year") and each.name in frame
        else pa.nulls(len(frame), schema.field(each.column).type)
        for each in contract_fields(row)
    }
    table = door.pseudonymise(row, pa.table(dict(columns), schema=schema))
    if not has_person(row):
        raise ValueError(f"{name} has nothing to join")
    table = table.append_column("source", pa.array([name] * len(frame), pa.string()))
    with lent(connection, table) as lend:
        connection.exec_driver_sql(f"insert into raw_{name} by name from {lend}")
    identifiers: list[str | None] = table.column("identifier").to_pylist()
    return identifiers


def _pairs(records: pd.DataFrame) -> Pairs:
    return Pairs(
        _two_of(records.groupby("owner").size()),
        _two_of(records.groupby("person").size()),
        _two_of(records.groupby(["person", "owner"]).size()),
    )


def _two_of(sizes: pd.Series) -> int:
    counted = sizes.to_numpy(np.int64)
    return int((counted * (counted - 1) // 2).sum())
