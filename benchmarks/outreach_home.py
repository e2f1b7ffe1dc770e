"""A home folder with so many patients who may be written to, for the benchmarks of outreach."""

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from outreach_fixture import CONFIG as CLINIC
from outreach_fixture import NOW

from attribution import identity, seeds, settings, sql_models, transform, warehouse
from attribution.contacts import Contacts
from attribution.loading import Loader
from attribution.paths import Home
from attribution.privacy import Door, load_key
from connectors.columns import arrow_schema
from connectors.contract import Appointment, Person, Preference, Row
from connectors.source import Columns, Slice

WANTED = ("int_people", "stg_preference", "stg_message", "stg_appointment", "int_silences")
# The clinic of the tests, at whatever hour it is.
CONFIG = CLINIC + 'quiet_from = "00:00"\nquiet_until = "00:00"\n'
_AT_ONCE = 100_000


def make(folder: Path, people: int, config: str = CONFIG) -> Home:
    """Patients whose one visit was 400 to 1000 days ago; two of three allow marketing e-mail."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    home = Home(folder)
    home.config.write_text(config, encoding="utf-8")
    told = settings.load(home)
    building = warehouse.begin(home)
    with Contacts(home) as contacts, identity.open_vault(home) as vault:
        loader = Loader(
            building.engine, building.commits, Door(load_key(home)), "emr", "emr", "run",
            contacts=contacts,
        )  # fmt: skip
        for first in range(0, people, _AT_ONCE):
            rows = _patients(first, min(people, first + _AT_ONCE))
            kinds = tuple(each.row for each in rows)
            loader.load(Slice(f"from {first}", kinds, "all", lambda rows=rows: rows))
        with building.connect() as connection:
            identity.resolve(connection, vault, "run", told.identity, {"emr": ("emr", "crm")})
            seeds.write(connection, told)
            transform.build(connection, _models())
    building.copy_marts({})
    building.close()
    warehouse.publish(home, building.number)
    return home


def _models() -> list[sql_models.Model]:
    every, wanted = sql_models.load_models(), set(WANTED)
    for model in reversed(every):
        if model.name in wanted:
            wanted |= {*model.inputs, *model.beside}
    return [model for model in every if model.name in wanted]


def _patients(first: int, last: int) -> list[Columns]:
    number = np.arange(first, last)
    ids = [f"P{n:08}" for n in number]
    mails = [f"p{n}@example.org" for n in number]
    visited = [NOW - timedelta(days=int(400 + n % 600)) for n in number]
    asked = NOW - timedelta(days=30)
    person = {"patient_id": ids, "email": mails, "deceased": [False] * len(ids),
              "zip3": [f"{100 + n % 890}" for n in number]}  # fmt: skip
    visit = {
        "appointment_id": [f"A{n}" for n in number], "patient_id": ids,
        "booked_at": visited, "starts_at": visited, "status": ["fulfilled"] * len(ids),
        "service_line": ["dental"] * len(ids), "location": ["main"] * len(ids),
    }  # fmt: skip
    said = {
        "preference_id": [f"W{n}" for n in number], "channel": ["email"] * len(ids),
        "purpose": ["marketing"] * len(ids), "allowed": [bool(n % 3) for n in number],
        "since": [asked] * len(ids), "patient_id": ids,
    }  # fmt: skip
    pairs: list[tuple[type[Row], dict[str, list[object]]]] = [
        (Person, person), (Appointment, visit), (Preference, said),
    ]  # fmt: skip
    return [Columns(row, _table(row, columns)) for row, columns in pairs]


def _table(row: type[Row], columns: dict[str, list[object]]) -> pa.Table:
    schema = arrow_schema(row)
    rows = len(next(iter(columns.values())))
    arrays = [
        pa.array(columns[field.name], field.type) if field.name in columns
        else pa.nulls(rows, field.type)
        for field in schema
    ]  # fmt: skip
    return pa.Table.from_arrays(arrays, schema=schema)
