"""Who is one person, against the truth of simulated worlds: pairwise precision and recall.

    python benchmarks/identity.py --people 20000 --seeds 1 2 3 4 5

The demo's world (families that share a phone or an address, slips in typed addresses, lost
cookies) and one that has twins as well: a share of people who give somebody else's address and
phone as their own in every system. Pairs are of records; `attribution/demo/pairs.py` says which.
"""

import argparse
import tempfile
import time
from datetime import date
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from attribution.demo import Knobs, world
from attribution.demo.pairs import measured
from attribution.identity import open_vault
from attribution.paths import Home
from attribution.settings import IdentitySettings

WORLDS = {
    "demo": Knobs(),
    "twins: 1 in 100": Knobs(twins=0.01),
    "half of what is lost": Knobs(tracking=0.5),
    "twice what is lost": Knobs(tracking=2.0),
}
UNTIL = date(2026, 11, 22)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--worlds", nargs="+", choices=list(WORLDS), default=list(WORLDS)[:2])
    options = parser.parse_args()
    for name in options.worlds:
        for seed in options.seeds:
            lived = world(options.people, seed, until=UNTIL, knobs=WORLDS[name])
            with tempfile.TemporaryDirectory() as folder, open_vault(Home(Path(folder))) as vault:
                engine = create_engine("duckdb:///:memory:", poolclass=StaticPool)
                began = time.perf_counter()
                with engine.begin() as connection:
                    found, pairs = measured(connection, vault, lived, IdentitySettings())
                engine.dispose()
            print(
                f"{name}, seed {seed}: {found.identifiers:,} identifiers, {found.shared:,} shared "
                f"({time.perf_counter() - began:.0f} s)"
            )
            for kind, each in pairs.items():
                print(
                    f"  {kind}: {each.true:,} pairs, precision {each.precision:.4f}, "
                    f"recall {each.recall:.4f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
