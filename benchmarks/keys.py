"""What keys and deletions cost, in processor time: sealing, chained hashes, keeping people out.

python benchmarks/keys.py [MILLIONS]: of identifiers that pass the door (1).
"""

import os
import sys
import tempfile
from pathlib import Path
from time import process_time

import pyarrow as pa

from attribution.keys import keyring
from attribution.paths import Home
from attribution.payloads import Payloads
from attribution.privacy import Door
from connectors.contract import Link

MEGABYTES = 64


def main(millions: float = 1.0) -> None:
    count = int(millions * 1_000_000)
    values = [f"person{number}@example.org" for number in range(count)]
    for later in (0, 1, 2):
        door = Door(b"k" * 32, later=(b"l" * 32,) * later)
        began = process_time()
        hashes = door.hashes("email", values)
        print(f"{count:,} addresses, {later + 1} hashing keys: {process_time() - began:.2f} s")
    table = pa.table({name: pa.array(hashes, pa.string()) for name in _identifiers()})
    for forgotten in (0, 1_000, 100_000):
        door = Door(b"k" * 32, forgotten=pa.array([f"{n:032x}" for n in range(forgotten)]))
        began = process_time()
        door.of_forgotten(Link, table)
        print(f"{count:,} links, {forgotten:,} tombstones: {process_time() - began:.3f} s")
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        store = Payloads(home, keyring(home).payloads)
        into = store.folder("ads", "main", "20260101T000000-abc")
        payload = os.urandom(MEGABYTES << 20)
        began = process_time()
        store.keep(into, "page", payload)
        print(f"{MEGABYTES} MB compressed and sealed: {process_time() - began:.2f} s")
        began = process_time()
        assert store.read(into / "page.zst.enc") == payload
        print(f"{MEGABYTES} MB opened: {process_time() - began:.2f} s")


def _identifiers() -> list[str]:
    return ["patient_id", "crm_id", "other_crm_id", "email", "phone", "client_id", "click_id"]


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
