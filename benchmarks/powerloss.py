"""Power cuts by the thousand: python benchmarks/powerloss.py [STATES].

Prints for each model of what a disk may lose how many cuts were simulated and how many of them
lost something that had been acknowledged, then the same with the syncs left out.
"""

import sys
import tempfile
import time
from pathlib import Path


def main(states: int = 1000) -> int:
    # In place of this file's folder, which would hide the package of the same name.
    sys.path[0] = str(Path(__file__).resolve().parent.parent / "tests")
    from powerloss.trial import faults, record

    broken = 0
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        operations = record(place)
        print(f"{len(operations)} operations, {states} power cuts each")
        for title, believed in (("all syncs", True), ("no sync", False)):
            began = time.perf_counter()
            folder = place / title.replace(" ", "-")
            found = faults(operations, folder, states, synced=lambda _, b=believed: b)
            seconds = time.perf_counter() - began
            counts = ", ".join(f"{model} {len(lost)}" for model, lost in found.items())
            print(f"{title}: faults by model: {counts} ({seconds:.0f} s)")
            broken += believed and sum(map(len, found.values()))
            for lost in found.values():
                for problem in lost[: 3 if believed else 1]:
                    print(f"  {problem.splitlines()[0]}")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:2])))
