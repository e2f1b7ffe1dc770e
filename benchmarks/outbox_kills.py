"""Messages by every way out, with kills at random moments: how often each arrived.

PYTHONPATH=.:tests .venv/bin/python benchmarks/outbox_kills.py /tmp/outreach-kills 10000 20 7 mail

Without names of flows all six go: mail (SMTP), texts (Twilio), listed (a list of HubSpot), members
(a campaign of Salesforce), calls (tasks of Salesforce) and tasks (Zendesk Sell).
"""

import shutil
import sys
import time
from collections import Counter
from pathlib import Path

from ways_fixture import FLOWS, Others, killing

from outreach.outbox import Outbox

# Moments at which a server hears of each message, or of so many at once.
MOMENTS = {"mail": 4.0, "texts": 2.0, "tasks": 2.0, "listed": 0.04, "members": 0.02, "calls": 0.02}


def main(folder: Path, messages: int, kills: int, seed: int, flows: list[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Others(folder) as others:
        home = others.clinic(folder / "home", messages)
        for name in flows:
            moments = max(4, int(messages * MOMENTS[name] * 0.9))
            deaths = min(kills, moments // 2)
            began = time.perf_counter()
            killer = killing(home, others, {name: deaths}, {name: moments}, seed)[name]
            seconds = time.perf_counter() - began
            print(
                f"{name}: {messages:,} messages, {len(killer.deaths)} kills "
                f"({dict(Counter(killer.deaths))}) in {seconds:.0f} s"
            )
            # Two people share a number: it gets two messages.
            times = Counter(others.times(name).values())
            print(f"  arrived so often: {dict(times)}; kills that were due and not: {killer.left}")
            with Outbox(home) as outbox:
                print(f"  outbox: {dict(outbox.counts(name))}")


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[2:5]]
    main(Path(sys.argv[1]), *numbers, sys.argv[5:] or list(FLOWS))
