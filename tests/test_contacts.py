"""The contact store follows the warehouse: where a record's newer row stays, its address does."""

from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Lock

import pytest
from servers.scripted import slice_of
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from attribution.contacts import Address, Contacts
from attribution.loading import Loader
from attribution.paths import Home
from attribution.privacy import Door
from attribution.raw import ensure_raw_tables
from attribution.retention import purge, retention
from connectors.contract import Contact, Person
from connectors.errors import SourceUnreachable
from connectors.source import Slice
from outreach.aging import drop_addresses

DOOR = Door(b"k" * 32)
OLD, NEW = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
X, Y = "312-555-0101", "312-555-0102"


class Clinic:
    """Raw tables in memory, and a contact store beside them."""

    def __init__(self, home: Home) -> None:
        self.engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)
        with self.engine.begin() as connection:
            connection.exec_driver_sql("set timezone = 'UTC'")
            ensure_raw_tables(connection)
        self.contacts = Contacts(home)
        self.load(patient(NEW, Y, number="other"))  # so that rows are merged, not inserted

    def load(self, *items: object, piece: Slice | None = None) -> None:
        loader = Loader(self.engine, Lock(), DOOR, "emr", "1", "run", contacts=self.contacts)
        loader.load(piece or slice_of(*items))

    def phone(self, namespace: str = "patient_id") -> str | None:
        """The phone of P in the contact store; what the raw table has is the same one's hash."""
        address = Address(str(DOOR.hash(namespace, "P")), "phone", "emr")
        return self.contacts.reveal([address]).get(address)

    def stored(self) -> str | None:
        with self.engine.begin() as connection:
            return connection.exec_driver_sql(
                "select phone from raw_person where patient_id = ?",
                (DOOR.hash("patient_id", "P"),),
            ).scalar_one()

    def waiting(self) -> int:
        return self.contacts._connection.execute("select count(*) from arriving").fetchone()[0]


@pytest.fixture
def clinic(home: Home) -> Iterator[Clinic]:
    made = Clinic(home)
    yield made
    made.contacts.close()
    made.engine.dispose()


def patient(updated: datetime | None, phone: str | None, number: str = "P", **more) -> Person:
    return Person(patient_id=number, phone=phone, updated_at=updated, **more)


def sendable(phone: str | None) -> str | None:
    return phone and f"+1{phone.replace('-', '')}"


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([(NEW, X), (OLD, Y)], X),  # an older file is read later
        ([(OLD, Y), (NEW, X)], X),
        ([(NEW, X), (NEW, Y)], Y),
        ([(NEW, None), (OLD, Y)], None),
        ([(OLD, Y), (NEW, None)], None),
    ],
)
def test_the_address_is_that_of_the_row_that_stays(clinic, rows, kept, together):
    told = [patient(updated, phone) for updated, phone in rows]
    for items in [told] if together else [[one] for one in told]:
        clinic.load(*items)
    assert clinic.phone() == sendable(kept)
    assert clinic.stored() == (kept and DOOR.hash("phone", kept))
    assert clinic.waiting() == 0


def test_an_older_row_does_not_bring_back_who_died_or_was_taken_out(clinic):
    clinic.load(patient(NEW, X, deceased=True), patient(OLD, Y))
    clinic.load(patient(OLD, Y))
    assert clinic.phone() is None
    lead = {"contact_id": "P", "created_at": OLD, "phone": Y}
    clinic.load(Contact(updated_at=OLD, **lead))
    assert clinic.phone("crm_id") == sendable(Y)
    clinic.load(Contact(updated_at=NEW, deleted=True, **lead))
    clinic.load(Contact(updated_at=OLD, **lead))
    assert clinic.phone("crm_id") is None


def test_addresses_go_with_the_last_row_of_their_contact(clinic, home):
    """Those of one source alone: another may know them under the same number."""
    lead = {"contact_id": "P", "created_at": OLD, "phone": X}
    clinic.load(patient(OLD, Y), Contact(updated_at=OLD, **lead))
    other = Loader(clinic.engine, Lock(), DOOR, "crm", "1", "run", contacts=clinic.contacts)
    other.load(slice_of(Contact(updated_at=NEW, **lead)))
    kept = retention({"contact": "1 year"})
    for today, gone in ((OLD.date(), 0), (NEW.date(), 2), (NEW.date(), 0)):
        with clinic.engine.begin() as connection:
            purge(connection, kept, today)
            assert drop_addresses(connection, home) == gone
    owners = (DOOR.hash("crm_id", "P"), DOOR.hash("patient_id", "P"))
    places = [(str(owners[0]), "crm"), (str(owners[1]), "emr")]
    found = clinic.contacts.reveal(
        Address(owner, "phone", source) for owner, source in [*places, (places[0][0], "emr")]
    )
    assert [(one.owner, one.source) for one in found] == places


def test_what_was_read_and_not_loaded_leaves_no_address(clinic, monkeypatch):
    monkeypatch.setattr("attribution.loading.BATCH", 2)

    def read() -> Iterator[Person]:
        yield from (patient(NEW, X, number=f"N{n}") for n in range(5))
        yield patient(NEW, X)
        raise SourceUnreachable("gone")

    clinic.load(patient(OLD, Y))
    with pytest.raises(SourceUnreachable):
        clinic.load(piece=Slice(name="s", rows=(Person,), read=read, cursor_key="s"))
    assert (clinic.phone(), clinic.waiting()) == (sendable(Y), 0)
    assert len(clinic.contacts.places(["phone"])) == 2
