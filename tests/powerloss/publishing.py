"""What is run under the shim: generations are published, and each is acknowledged once it stands.

python publishing.py FOLDER COUNT ROWS: the acknowledgements go to FOLDER/acknowledged, a byte each.
"""

import os
import sys
from pathlib import Path

from attribution import warehouse
from attribution.ledger import Ledger
from attribution.paths import Home
from attribution.privacy import load_key


def main(folder: str, count: str, rows: str) -> None:
    home = Home(Path(folder))
    load_key(home)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    acknowledged = os.open(home.folder / "acknowledged", flags)
    with Ledger(home) as ledger:
        for number in range(1, int(count) + 1):
            run = ledger.start(["publish"])
            building = warehouse.begin(home)
            with building.connect() as connection:
                connection.exec_driver_sql(
                    "create or replace table spend as "
                    f"select {number} as generation, i as row, hash(i) as noise "
                    f"from range({int(rows)}) as t(i)"
                )
            building.copy_marts({"spend": ("row",)}, {"spend": ("row",)})
            building.close()
            warehouse.publish(home, building.number)
            ledger.published(building.number, run, {}, "refresh")
            ledger.finish(run, "published", building.number, "")
            os.write(acknowledged, b"!")


if __name__ == "__main__":
    main(*sys.argv[1:])
