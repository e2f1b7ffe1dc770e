"""A clinic's home folder for tests of keys and deletions; of the models only a few are built,
and none for viewers.

A step of those commands can be killed in a process of its own: `killed(processes, home, point)`.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from pathlib import Path

import duckdb
import few_models as fewer
import pytest
from servers.clinic import CANARY_EMAIL, CANARY_MRN, CONFIG, clinic, payment, people
from servers.killer import after, die
from servers.scripted import slice_of, slices

from attribution import audit, deletions, forgetting, rotation, settings, warehouse, whom_to_forget
from attribution.contacts import Address, Contacts
from attribution.engines.duckdb import Building
from attribution.keys import keyring
from attribution.paths import Home
from attribution.payloads import Payloads
from attribution.privacy import Door
from attribution.refresh import refresh
from connectors import SOURCES
from connectors.columns import to_table
from connectors.contract import Person, Row
from connectors.source import Cursor
from outreach.outbox import Outbox, Stop

MODELS = ("conversions", "links", "journeys")
FEWER = ("links",)
TYPED = f"patient {CANARY_MRN}"
# A visit's payment says only which visit it is for.
ORPHAN = payment("pay-orphan", "10.00", 5, appointment_id="a0")


def ready(models: tuple[str, ...]) -> None:
    """The clinic's systems, and few models; in this process."""
    SOURCES["scripted"] = "servers.scripted"
    fewer.build_only(models)
    systems()


def systems(count: int = 6, *more: Row) -> None:
    """What the systems say of so many people, and more rows."""
    clinic(emr=slices(slice_of(*people(count), ORPHAN, *more, Cursor("1"), name="records")))


@contextmanager
def few_models(models: tuple[str, ...] = MODELS) -> Iterator[None]:
    """`ready`, until the end of the block."""
    with pytest.MonkeyPatch.context() as patch, fewer.few_models(models):
        patch.setitem(SOURCES, "scripted", "servers.scripted")
        systems()
        yield


def make_home(folder: Path) -> Home:
    """A home folder after a refresh, with three payloads, of which one names somebody."""
    home = Home(folder)
    home.folder.mkdir(mode=0o700, exist_ok=True)
    home.config.write_text(f"first_day = 2025-01-01\n{CONFIG}")
    load(home)
    store = Payloads(home, keyring(home).payloads)
    into = store.folder("crm", "crm", "20250301T000000-abcdef")
    store.keep(into, "names.json", f'{{"rows": [{{"mail": " {CANARY_EMAIL} "}}]}}'.encode())
    store.keep(into, "days.json", b'{"day": "2025-03-01", "clicks": 4}')
    store.keep(store.folder("crm", "crm", "20990101T000000-abcdef"), "late.csv", b"day;clicks")
    return home


def load(home: Home) -> int:
    return refresh(settings.load(home), debug=True).generation


def store(home: Home) -> Payloads:
    return Payloads(home, keyring(home).payloads)


def ask(home: Home, sql: str, name: str = "private") -> list[tuple]:
    number = warehouse.current_generation(home)
    path = home.generation(number) / f"{name}.duckdb"
    with duckdb.connect(str(path), read_only=True) as database:
        return database.execute(sql).fetchall()


def forget(home: Home, *typed: str) -> None:
    """As the command does it."""
    chosen = settings.load(home)
    forgetting.forget(chosen, whom_to_forget.asked(typed or [TYPED]), "request")
    refresh(chosen, debug=True, load=False)


def with_outreach(home: Home) -> tuple[str, str]:
    """Somebody's address and a message to them, as outreach keeps them; the hashes of both."""
    hashed = door(home)
    table = to_table(Person, [Person(patient_id=CANARY_MRN, email=CANARY_EMAIL)])
    with Contacts(home) as contacts:
        contacts.keep("emr", Person, table, hashed.pseudonymise(Person, table), "US")
    owner, mail = hashed.hash("patient_id", CANARY_MRN), hashed.hash("email", CANARY_EMAIL)
    with Outbox(home) as outbox:
        row = ("k1", "mail", "v1", 1, mail, owner, "emr", "", "email", "UTC", "{}", "planned", "",
               "2026-01-01", "2026-01-01", 0, "2026-01-01", "", "", "", "marketing")  # fmt: skip
        outbox.plan("mail", "v1", [row])
        outbox.assign([("mail", 1, mail, owner, "treated", "email", "2026-01-01", "marketing")])
        outbox.stop([Stop(mail, "email")])
    return str(owner), str(mail)


def door(home: Home) -> Door:
    """The door as it is now."""
    ring = keyring(home)
    return Door(ring.hashing[0], later=ring.hashing[1:])


def follows_the_key(home: Home) -> None:
    """What outreach keeps of somebody is found by their hashes of now, and by no others."""
    hashed = door(home)
    owner, mail = hashed.hash("patient_id", CANARY_MRN), hashed.hash("email", CANARY_EMAIL)
    with Contacts(home) as contacts, Outbox(home) as outbox:
        at = Address(str(owner), "email", "emr")
        assert contacts.reveal([at]) == {at: CANARY_EMAIL}
        assert {*contacts.places(["email", "record"])["owner"].to_pylist()} == {owner}
        for table in ("message", "assignment"):
            rows = outbox.rows(f"select owner, identifier from {table}")
            assert rows == [{"owner": owner, "identifier": mail}], table
        assert outbox.stopped()["identifier"].to_pylist() == [mail]


def rotate(home: Home, *, rehash: bool = False) -> list[str]:
    said: list[str] = []
    rotation.rotate(settings.load(home), lambda _event: None, said.append, rehash=rehash)
    return said


# Where to die, and what is under way: what is put in whose place.
POINTS = {
    "before anybody is forgotten": (forgetting, "bury", die, forget),
    "when they are": (forgetting, "bury", after(forgetting.bury), forget),
    "while the store is written anew": (Building, "copy_marts", die, forget),
    "after the pointer": (forgetting, "finish", die, forget),
    "after earlier generations": (forgetting, "naming_payloads", die, forget),
    "before the last word": (forgetting, "erased", die, forget),
    "when keys are changed": (audit, "record", die, rotate),
    "among the payloads": (Payloads, "reseal", after(Payloads.reseal), rotate),
    "when hashing keys are changed": (rotation, "refresh", die, rotate),
    "after hashing anew": (deletions, "bring_up_vault", die, rotate),
    "among the addresses while hashing anew": (
        Contacts,
        "_rewrite",
        after(Contacts._rewrite),
        rotate,
    ),
}


def run(folder: Path, point: str) -> None:
    """Forget somebody or change keys, and die at a point."""
    ready(FEWER)
    owner, name, replacement, act = POINTS[point]
    setattr(owner, name, replacement)
    if "hashing" in point:
        rotate(Home(folder), rehash=True)
    else:
        act(Home(folder))


def killed(processes: ForkServerContext, home: Home, *points: str) -> None:
    """Let a process die at each of these points, one after the other."""
    for point in points:
        victim = processes.Process(target=run, args=(home.folder, point))
        victim.start()
        victim.join()
        assert victim.exitcode == -signal.SIGKILL, point
