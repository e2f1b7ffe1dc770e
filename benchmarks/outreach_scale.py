"""A million people through audience, consent, holdout and outbox: seconds and memory.

PYTHONPATH=.:tests .venv/bin/python benchmarks/outreach_scale.py /tmp/outreach-scale 1000000
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

from outreach_home import NOW, make

from attribution.contacts import Contacts
from attribution.outreach_settings import outreach_settings
from attribution.paths import Home
from outreach.flow import flow
from outreach.outbox import Outbox
from outreach.planning import keep, plan


def measure(folder: Path) -> None:
    home = Home(folder)
    home.outreach.unlink(missing_ok=True)
    wall, used = time.perf_counter(), time.process_time()
    with Contacts(home) as contacts, Outbox(home) as outbox:
        made = plan(home, flow(home, "recall"), outreach_settings(home), contacts, outbox, now=NOW)
        planned_in = time.perf_counter() - wall
        new = keep(made, outbox, home)
    wall, used = time.perf_counter() - wall, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{made.audience:,} in the audience, {new:,} in the outbox, {made.dropped}")
    print(f"{wall:.1f} s ({planned_in:.1f} s of it planning), {used:.1f} CPU s, {peak:.2f} GiB")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    if len(sys.argv) > 2:
        began = time.perf_counter()
        make(place, int(sys.argv[2]))
        print(f"made in {time.perf_counter() - began:.0f} s (door, contact store, models)")
        subprocess.run([sys.executable, __file__, str(place)], check=True)
    else:
        measure(place)
