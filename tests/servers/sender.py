"""A sender in a process of its own that is begun again whenever it is killed.

    python -c "from servers.sender import run; run(folder, now)"

It reads names of flows, one a line, and says `done` when one of its lives has come to its end with
each. It imports everything once and forks, so that twenty deaths cost one start.
"""

import os
import sys
from datetime import datetime
from pathlib import Path

from attribution import settings
from attribution.contacts import Contacts
from attribution.outreach_settings import outreach_settings
from attribution.paths import Home
from connectors.rest import authorities
from outreach.flow import flow
from outreach.outbox import Outbox
from outreach.sending import send


def run(folder: str, now: str) -> None:
    """Send each flow that is named until it is through; the number of a life is in `sender.pid`."""
    home = Home(Path(folder))
    _warm(home)
    for name in sys.stdin:
        for _life in range(200):
            child = os.fork()
            if child == 0:
                (Path(folder) / "sender.pid").write_text(str(os.getpid()))
                _send(home, name.strip(), datetime.fromisoformat(now))
                os._exit(0)
            _child, status = os.waitpid(child, 0)
            if not os.WIFSIGNALED(status):
                break
        print("done", flush=True)  # noqa: T201


def _warm(home: Home) -> None:
    """What every life needs, once."""
    import simple_salesforce  # noqa: F401
    import twilio.rest  # noqa: F401
    from hubspot_sdk import HubSpot

    HubSpot(access_token="x")
    authorities()
    settings.load(home)


def _send(home: Home, name: str, now: datetime) -> None:
    with Contacts(home) as contacts, Outbox(home) as outbox:
        for _round in range(3):  # what was settled, or too young to be, goes out in the next
            send(home, flow(home, name), outreach_settings(home), contacts, outbox, now=now)
            if outbox.counts(name).keys() == {"sent"}:
                return
