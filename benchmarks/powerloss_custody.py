"""Power cuts while keys change and a person is forgotten: benchmarks/powerloss_custody.py [STATES].

Runs `keys rotate`, `keys rotate --rehash` and `forget` on a small clinic with payloads, addresses,
an outbox and files that were handed over. Prints for each model of what a disk may lose how many
cuts broke something, then the same with syncs left out: of the payloads' folders, and all.
"""

import sys
import tempfile
import time
from pathlib import Path


def main(states: int = 400) -> int:
    # In place of this file's folder, which would hide the package of the same name.
    sys.path[0] = str(Path(__file__).resolve().parent.parent / "tests")
    from powerloss.custody_trial import faults
    from powerloss.trial import recorded

    broken = 0
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        operations = recorded(place, "keeping.py")
        print(f"{len(operations)} operations, {states} power cuts each")
        for title, believed in (
            ("all syncs", lambda _: True),
            ("none of folders in raw", lambda one: "." in one.path or "raw" not in one.path),
            ("no sync", lambda _: False),
        ):
            began, whole = time.perf_counter(), title == "all syncs"
            count = states if whole else max(states // 10, 10)
            folder = place / title.replace(" ", "-")
            found = faults(operations, folder, count, synced=believed)
            seconds = time.perf_counter() - began
            counts = ", ".join(f"{model} {len(lost)}" for model, lost in found.items())
            print(f"{title}: {count} cuts, faults by model: {counts} ({seconds:.0f} s)", flush=True)
            broken += whole and sum(map(len, found.values()))
            for lost in found.values():
                for problem in lost[: 5 if whole else 1]:
                    print(f"  {problem.splitlines()[0]}")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:2])))
