"""What is run under the shim: keys are changed and a person forgotten, each acknowledged when done.

python keeping.py FOLDER: the acknowledgements go to FOLDER/acknowledged, a byte each.
"""

import os
import sys
from pathlib import Path

import custody_fixture as custody
from servers.clinic import CANARY_EMAIL, CANARY_MRN

from attribution.at_rest import write_whole
from attribution.contacts import Contacts
from attribution.identity import open_vault
from attribution.keys import keyring
from attribution.paths import Home
from attribution.privacy import Door
from connectors.columns import to_table
from connectors.contract import Person
from outreach import handoff
from outreach.letters import Letter
from outreach.outbox import Change, Outbox
from outreach.outbox_tables import COLUMNS

KEY = "0" * 32


def main(folder: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    with custody.few_models(custody.FEWER):
        home = custody.make_home(Path(folder))
        write_whole(home.config, home.config.read_bytes())  # as whoever saved it long ago
        acknowledged = os.open(home.folder / "acknowledged", flags)
        os.write(acknowledged, b"!")
        custody.rotate(home)
        os.write(acknowledged, b"!")
        custody.rotate(home, rehash=True)
        os.write(acknowledged, b"!")
        write_to(home)
        os.write(acknowledged, b"!")
        custody.forget(home)
        os.write(acknowledged, b"!")


def canaries(home: Home) -> tuple[str, str]:
    """The hashes of the person's record and address under the keys of now."""
    ring = keyring(home)
    door = Door(ring.hashing[0], later=ring.hashing[1:])
    return str(door.hash("patient_id", CANARY_MRN)), str(door.hash("email", CANARY_EMAIL))


def write_to(home: Home) -> None:
    """Keep the person's address, and a message to them that was handed over."""
    record, address = canaries(home)
    ring = keyring(home)
    door = Door(ring.hashing[0], later=ring.hashing[1:])
    table = to_table(Person, [Person(patient_id=CANARY_MRN, email=CANARY_EMAIL)])
    with Contacts(home) as contacts, Outbox(home) as outbox, open_vault(home) as vault:
        contacts.keep("emr", Person, table, door.pseudonymise(Person, table), "US")
        [person] = {
            row["person_id"]
            for row in vault.numbers().to_pylist()
            if row["identifier"].hex() == record
        }
        now = "2026-01-01T00:00:00.000+00:00"
        told = {
            "key": KEY, "flow": "recall", "version": "1", "person_id": person, "owner": record,
            "identifier": address, "source": "emr", "channel": "email", "state": "approved",
            "planned_at": now, "next_at": now, "at": now, "tries": 0,
        }  # fmt: skip
        outbox.plan("recall", "1", [[told.get(name, "") for name in COLUMNS]])
        outbox.assign([("recall", person, address, record, "treated", "email", now, "marketing")])
        letter = Letter(KEY, "email", address, person, CANARY_EMAIL, "Hello", "Text", CANARY_MRN)
        handoff.lay_out(home, "recall", [letter])
        handoff.hand_over(home, "recall", [letter])
        outbox.move([Change(KEY, "sent")])


if __name__ == "__main__":
    main(*sys.argv[1:])
