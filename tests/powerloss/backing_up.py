"""What is run under the shim: a backup is made and restored; each is acknowledged when done.

python backing_up.py FOLDER: the acknowledgements go to FOLDER/acknowledged, a byte each.
"""

import os
import shutil
import sys
from pathlib import Path

from attribution import audit, backup, restoring, warehouse
from attribution.keys import keyring
from attribution.ledger import Ledger
from attribution.paths import Home
from attribution.payloads import Payloads
from attribution.vault import open_vault

ROWS = 20_000


def main(folder: str) -> None:
    place = Path(folder)
    home, back = Home(place / "clinic"), Home(place / "back")
    home.folder.mkdir(mode=0o700)
    home.config.write_text("first_day = 2025-01-01\n")
    made(home)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    acknowledged = os.open(place / "acknowledged", flags)
    backup.backup(home, place / "kept")
    os.write(acknowledged, b"!")
    back.folder.mkdir(mode=0o700)
    shutil.copyfile(home.key, back.key)
    list(restoring.restore(place / "kept", back))
    os.write(acknowledged, b"!")


def made(home: Home) -> None:
    """A home with a generation, a vault, payloads and an audit log."""
    audit.record(home, "somebody", audit.EXPORTED, "a report")
    store = Payloads(home, keyring(home).payloads)
    into = store.folder("crm", "crm", "20250301T000000-abcdef")
    for number in range(3):
        store.keep(into, f"{number}.json", os.urandom(10_000))
    with open_vault(home), Ledger(home) as ledger:
        run = ledger.start(["publish"])
        building = warehouse.begin(home)
        with building.connect() as connection:
            connection.exec_driver_sql(
                "create table spend as select i as row, hash(i) as noise "
                f"from range({ROWS}) as t(i)"
            )
        building.copy_marts({"spend": ("row",)}, {"spend": ("row",)})
        building.close()
        warehouse.publish(home, building.number)
        ledger.published(building.number, run, {}, "refresh")
        ledger.finish(run, "published", building.number, "")


if __name__ == "__main__":
    main(*sys.argv[1:])
