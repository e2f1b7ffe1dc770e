"""Ten thousand messages by SMTP with twenty kills at random moments: how often each arrived.

PYTHONPATH=.:tests .venv/bin/python benchmarks/outbox_kills.py /tmp/outreach-kills 10000 20 7
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from outreach_home import CONFIG, NOW, make
from servers.smtp import SmtpServer

from attribution.contacts import Contacts
from attribution.outreach_settings import outreach_settings
from attribution.roles import Reader
from outreach.approval import approve
from outreach.flow import flow
from outreach.outbox import Outbox
from outreach.planning import keep, plan

FLOW = """
title = "Mail"
purpose = "operations"
audience = "silent_patients"
every = "event"
channels = ["email"]
ends = 2030-01-01
[parameters]
from_days = 1
until_days = 2000
[templates.email]
subject = "Hello"
text = "It has been a while."
"""
SMTP = """
[outreach.delivery]
email = "smtp"
[outreach.smtp]
host = "127.0.0.1"
port = {port}
sender = "Harbor Clinic <care@harbor.example>"
security = "none"
per_second = 100000
log = "{log}"
settle_seconds = 0.5
"""


def main(folder: Path, messages: int, kills: int, seed: int) -> None:
    draw = random.Random(seed)
    logs = folder.with_name(f"{folder.name}-log")
    logs.mkdir(exist_ok=True)
    for path in logs.iterdir():
        path.unlink()
    pid, done = folder / "sender.pid", []
    # A death comes at some message, before it is taken, after, or at any instant in between.
    deaths = sorted(draw.sample(range(10, messages - 50), kills))

    with SmtpServer(logs) as server:
        home = make(folder, messages, CONFIG + SMTP.format(port=server.port, log=logs))
        (folder / "flows").mkdir()
        (folder / "flows" / "mail.toml").write_text(FLOW)
        settings, one = outreach_settings(home), flow(home, "mail")
        with Contacts(home) as contacts, Outbox(home) as outbox:
            keep(plan(home, one, settings, contacts, outbox, now=NOW), outbox, home)
            approve(home, Reader("bench", frozenset({"admin"})), one, settings, outbox, NOW.date())

        def due(where: str) -> None:
            if deaths and len(server.taken) >= deaths[0] and draw.random() < 0.4:
                deaths.pop(0)
                done.append(where)
                os.kill(int(pid.read_text()), signal.SIGKILL)

        usual = server.scripted

        def scripted(command: str) -> str | None:
            due(command.split(" ")[0])
            return usual(command)

        server.on_data = lambda: due("taken, not answered")
        server.scripted = scripted  # type: ignore[method-assign]
        began = time.perf_counter()
        code = "import sys; from servers.sender import run; run(*sys.argv[1:])"
        subprocess.run([sys.executable, "-c", code, str(folder), "mail"], check=True)
        seconds = time.perf_counter() - began
        times = Counter(Counter(server.ids).values())
        print(
            f"{messages:,} messages, {len(done)} kills ({dict(Counter(done))}) in {seconds:.0f} s"
        )
        print(f"arrived so often: {dict(times)}; not at all: {messages - sum(times.values())}")
        with Outbox(home) as outbox:
            print(f"outbox: {dict(outbox.counts('mail'))}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(each) for each in sys.argv[2:5]))
