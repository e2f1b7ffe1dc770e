"""A sender in a process of its own that is begun again whenever it is killed.

    python -c "from servers.sender import run; run(folder, flow)"

It imports everything once and forks, so that twenty deaths cost one start.
"""

import os
import sys
from pathlib import Path

from attribution.contacts import Contacts
from attribution.outreach_settings import outreach_settings
from attribution.paths import Home
from outreach.flow import flow
from outreach.outbox import Outbox
from outreach.sending import send


def run(folder: str, name: str) -> None:
    """Send until one sender has come to its end; its number is in `sender.pid`."""
    for _life in range(200):
        child = os.fork()
        if child == 0:
            (Path(folder) / "sender.pid").write_text(str(os.getpid()))
            _send(Home(Path(folder)), name)
            sys.stdout.flush()
            os._exit(0)
        _child, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            return


def _send(home: Home, name: str) -> None:
    with Contacts(home) as contacts, Outbox(home) as outbox:
        for _round in range(2):  # what the log settled goes out in the second
            send(home, flow(home, name), outreach_settings(home), contacts, outbox)
