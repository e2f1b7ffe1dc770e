"""A registry of made-up people for tests of identity, and rows that share a few keys."""

from threading import Lock

import hypothesis.strategies as st
from servers.clinic import at, contact
from servers.scripted import slice_of
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from attribution.identity import resolve
from attribution.loading import Loader
from attribution.paths import Home
from attribution.privacy import Door
from attribution.raw import ensure_raw_tables
from attribution.settings import IdentitySettings
from attribution.vault import Vault
from connectors.contract import Link, Person, Touchpoint

DOOR = Door(b"k" * 32)


class Registry:
    """Rows, and the people that identity finds in them."""

    def __init__(self, home: Home, limits: IdentitySettings | None = None, namespaces=None) -> None:
        self.namespaces = namespaces
        self.engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)
        self.limits = limits or IdentitySettings()
        self.vault = Vault(home)
        with self.engine.begin() as connection:
            ensure_raw_tables(connection)

    def add(self, *rows, source="emr", door=DOOR):
        loader = Loader(self.engine, Lock(), door, source, "1", "run")
        loader.load(slice_of(*rows))
        return self

    def forget(self, table="contact"):
        with self.engine.begin() as connection:
            connection.exec_driver_sql(f"delete from raw_{table}")

    def resolve(self, run_id="run"):
        with self.engine.begin() as connection:
            return resolve(connection, self.vault, run_id, self.limits, self.namespaces)

    def people(self):
        """Person by identifier."""
        with self.engine.begin() as connection:
            return dict(map(tuple, connection.exec_driver_sql("from identity").fetchall()))

    def shared(self):
        """Identifiers that join nobody."""
        with self.engine.begin() as connection:
            rows = connection.exec_driver_sql("select identifier from identity_shared").fetchall()
            return {row[0] for row in rows}

    def changes(self):
        return self.vault.changes()["kind"].tolist()

    def close(self):
        self.vault.close()
        self.engine.dispose()


def mail(n):
    return f"p{n}@example.org"


def row(n: int, keys: list[int]):
    """A row that carries some of a few identifiers: a touch, or what a system says is one.

    Of six keys it is a patient or a contact with a first name and a birth year.
    """
    if len(keys) == 6:
        return record(*keys)
    names = [f"P{keys[0]}", mail(keys[1]), f"+1503555{keys[2]:04}", f"c{keys[3]}", f"c{keys[4]}"]
    patient, email, phone, crm, other = (
        name if key else None for name, key in zip(names, keys, strict=True)
    )
    if other:
        return Link(
            f"l{n}", at(0), "merged", patient_id=patient, crm_id=crm, other_crm_id=other,
            email=email, phone=phone,
        )  # fmt: skip
    return Touchpoint(
        f"t{n}", at(0), "click", email=email, phone=phone, crm_id=crm, patient_id=patient
    )


def record(patient: int, number: int, address: int, line: int, name: int, born: int):
    """A patient or a contact, who may share an address, a line, a name and a birth year."""
    about = {
        "email": mail(address) if address else None,
        "phone": f"+1503555{line:04}" if line else None,
        "given_name": (None, "Ann", "Bob", "Robert")[name],
        "birth_year": (None, 1980, 1990)[born],
    }
    return Person(f"P{number}", **about) if patient else contact(f"c{number}", **about)


keys_of_a_row = st.tuples(*[st.integers(0, 3)] * 4, st.sampled_from([0, 0, 0, 1, 2, 3]))
rows = st.lists(keys_of_a_row.map(list), min_size=1, max_size=8)
records = st.tuples(*(st.integers(0, most) for most in (1, 2, 2, 2, 3, 2))).map(
    lambda key: [key[0], key[1] + 1, *key[2:]]
)
mixed = st.lists(st.one_of(keys_of_a_row.map(list), records), min_size=1, max_size=8)
