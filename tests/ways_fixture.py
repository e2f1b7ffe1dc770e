"""Everybody that outreach hands people to, on loopback, and a clinic whose people they know.

    with Others(folder) as others:
        home = others.clinic(folder / "home", 12)

Each flow goes another way; `others.times(flow)` says how often each person arrived there. A sender
in a process of its own (`servers/sender.py`) can be killed wherever it speaks to them.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from outreach_fixture import CONFIG, NOW, contact, patient, publish
from servers.hubspot import HubSpotServer
from servers.loopback import Loopback
from servers.salesforce import SalesforceServer
from servers.salesforce_objects import number, record
from servers.smtp import SmtpServer
from servers.twilio import TwilioServer
from servers.zendesk_sell import SellServer

from attribution.contacts import Contacts
from attribution.outreach_settings import outreach_settings
from attribution.paths import Home
from attribution.roles import Reader
from connectors.contract import Row
from outreach.approval import approve
from outreach.flow import flow
from outreach.outbox import Outbox
from outreach.planning import Plan, keep, plan
from outreach.sending import Result, send

ADMIN = Reader("Ada", frozenset({"admin"}))
KEY_FIELD, CAMPAIGN, LIST = "Caretrace_Key__c", number("Campaign", 9), "38"
# Each flow, its channel and its way.
FLOWS = {
    "mail": ("email", "smtp"), "texts": ("sms", "twilio"), "listed": ("email", "hubspot_list"),
    "members": ("email", "salesforce_campaign"), "calls": ("call", "salesforce_task"),
    "tasks": ("call", "sell_task"),
}  # fmt: skip
FLOW = """
title = "A flow"
purpose = "treatment"
audience = "silent_patients"
every = "event"
channels = ["{channel}"]
{ends}
{more}
[parameters]
from_days = 365
until_days = 1095
[templates.{channel}]
text = "{{{{ organisation }}}}: it has been a while, call {{{{ phone }}}}."
{subject}
"""
WAYS = """
per_day = 1000
per_week = 1000
{more}
[outreach.delivery]
{delivery}
[outreach.smtp]
host = "127.0.0.1"
port = {smtp}
sender = "Harbor Clinic <care@harbor.example>"
security = "none"
per_second = 100000
log = "{log}"
settle_seconds = 0.01
[outreach.twilio]
account_sid = "{account}"
messaging_service = "{service}"
per_second = 100000
settle_seconds = 0.01
endpoint = "{twilio}"
[outreach.hubspot]
source = "hub"
lists = {{ listed = {list} }}
endpoint = "{hubspot}"
[outreach.salesforce]
source = "force"
consumer_key = "loopback-consumer"
domain = "clinic.my"
campaigns = {{ members = "{campaign}" }}
task_key_field = "{field}"
endpoint = "{salesforce}"
[outreach.sell]
source = "base"
per_second = 100000
settle_seconds = 0.01
endpoint = "{sell}"
"""
SOURCES = """
[sources.hub]
kind = "hubspot"
crm_namespace = "hub"
[sources.force]
kind = "salesforce"
consumer_key = "k"
crm_namespace = "force"
[sources.base]
kind = "zendesk_sell"
crm_namespace = "base"
"""
SECRETS = """
[sources.hub]
access_token = "x"
[sources.base]
access_token = "x"
[outreach.twilio]
auth_token = "{twilio}"
[outreach.hubspot]
access_token = "{hubspot}"
[outreach.salesforce]
consumer_secret = "loopback-consumer-secret"
[outreach.sell]
access_token = "{sell}"
"""


class Others:
    """Five systems on 127.0.0.1 for the length of a block."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.log.mkdir(exist_ok=True)
        self.smtp = SmtpServer(self.log)
        self.twilio = TwilioServer()
        self.hubspot = HubSpotServer()
        self.salesforce = SalesforceServer({})
        self.sell = SellServer({})
        self._block = ExitStack()

    def __enter__(self) -> Self:
        for server in (self.smtp, self.twilio, self.hubspot, self.salesforce, self.sell):
            self._block.enter_context(server)
        self.empty()
        return self

    def __exit__(self, *_: object) -> None:
        self._block.close()

    def of(self, name: str) -> Any:
        """The server that a flow's people are handed to."""
        way = FLOWS[name][1]
        names = {"hubspot_list": "hubspot", "sell_task": "sell"}
        return getattr(self, names.get(way, "salesforce" if "sales" in way else way))

    def empty(self) -> None:
        """Nothing has arrived anywhere."""
        self.smtp.taken.clear()
        self.twilio.messages.clear()
        self.twilio.stopped, self.twilio.unknown = set(), set()
        self.smtp.on_data = lambda: None
        self.hubspot.lists, self.hubspot.added = {LIST: []}, []
        self.hubspot.scopes, self.hubspot.dynamic = {"contacts", "list_members"}, set()
        self.salesforce.hidden, self.salesforce.extra = set(), {"Task": {KEY_FIELD}}
        self.salesforce.tables["CampaignMember"].clear()
        self.salesforce.tables["Task"].clear()
        self.sell.resources["tasks"].clear()
        for server in (self.twilio, self.hubspot, self.salesforce, self.sell):
            server.requests.clear()
            server._script.clear()
            server.before = server.after = lambda _request: None

    def times(self, name: str) -> Counter[Any]:
        """How often each person of a flow arrived."""
        tables = self.salesforce.tables
        return Counter({
            "mail": lambda: self.smtp.ids,
            "texts": lambda: [said["to"] for said in self.twilio.messages],
            "listed": lambda: self.hubspot.added,
            "members": lambda: [of["ContactId"] for of in tables["CampaignMember"].values()],
            "calls": lambda: [of["WhoId"] for of in tables["Task"].values()],
            "tasks": lambda: [of["resource_id"] for of in self.sell.resources["tasks"].values()],
        }[name]())  # fmt: skip

    def clinic(self, folder: Path, people: int, more: Iterable[Row] = ()) -> Home:
        """So many people, each a patient and a contact of every CRM; the last two share a phone."""
        now, rows, of = datetime.now(UTC), list(more), dict[str, list[Row]]()
        for n in range(people):
            told = {"email": f"p{n}@example.org", "phone": phone(min(n, people - 2))}
            rows += patient(f"P{n:05}", **told)
            ids = {"hub": str(1000 + n), "force": number("Contact", n), "base": str(100 + n)}
            for source, number_ in ids.items():
                of.setdefault(source, []).append(contact(number_, **told))
            self.hubspot.objects["contacts"][ids["hub"]] = {}
            self.salesforce.put("Contact", record("Contact", n, now, LastName="P"))
            self.sell.put("contacts", {"id": 100 + n})
        self.salesforce.put("Campaign", record("Campaign", 9, now, Name="Back"))
        home = Home(folder)
        home.folder.mkdir(mode=0o700, exist_ok=True)
        self.tell(home)
        publish(home, rows, home.config.read_text(), others=of)
        for name in FLOWS:
            add_flow(home, name)
        return home

    def tell(self, home: Home, more: str = "", sources: str = "") -> None:
        """Write the home's settings: every way, and these besides."""
        delivery = "\n".join(
            f'{name} = {{ {channel} = "{way}" }}' for name, (channel, way) in FLOWS.items()
        )
        told = WAYS.format(
            more=more, delivery=delivery, smtp=self.smtp.port, log=self.log,
            account=self.twilio.account, service=self.twilio.service, twilio=self.twilio.url,
            list=LIST, hubspot=self.hubspot.url, campaign=CAMPAIGN, field=KEY_FIELD,
            salesforce=self.salesforce.url, sell=self.sell.url,
        )  # fmt: skip
        home.config.write_text(CONFIG + told + SOURCES + sources, encoding="utf-8")
        tokens = {"twilio": self.twilio.token, "hubspot": self.hubspot.token,
                  "sell": self.sell.token}  # fmt: skip
        home.secrets.write_text(SECRETS.format(**tokens), encoding="utf-8")
        home.secrets.chmod(0o600)


def phone(n: int) -> str:
    """A number of somebody's own."""
    return f"+1{312 if n < 9000 else 773}555{n % 9000 + 1000:04}"


def add_flow(home: Home, name: str, more: str = "", ends: str = "ends = 2030-01-01") -> None:
    """Put a flow into a home's own folder."""
    (home.folder / "flows").mkdir(exist_ok=True)
    channel = FLOWS[name][0]
    subject = 'subject = "Hello"' if channel in ("email", "call") else ""
    text = FLOW.format(channel=channel, more=more, ends=ends, subject=subject)
    (home.folder / "flows" / f"{name}.toml").write_text(text, encoding="utf-8")


def planned(home: Home, *names: str) -> list[Plan]:
    """Fresh messages of some flows, approved."""
    made = []
    home.outreach.unlink(missing_ok=True)
    with Contacts(home) as contacts, Outbox(home) as outbox:
        settings = outreach_settings(home)
        for name in names:
            one = flow(home, name)
            made.append(plan(home, one, settings, contacts, outbox, now=NOW))
            keep(made[-1], outbox, home)
            approve(home, ADMIN, one, settings, outbox, NOW.date())
    return made


def fresh(home: Home) -> None:
    """An outbox with everybody in it for every flow, approved; planned once for a home."""
    kept = home.folder / "planned.sqlite"
    if not kept.is_file():
        planned(home, *FLOWS)
        shutil.copyfile(home.outreach, kept)
    for path in home.folder.glob(f"{home.outreach.name}*"):
        path.unlink()
    shutil.copyfile(kept, home.outreach)


def sent(home: Home, name: str) -> Result:
    """One sending of a flow, at noon."""
    with Contacts(home) as contacts, Outbox(home) as outbox:
        return send(home, flow(home, name), outreach_settings(home), contacts, outbox, now=NOW)


class Killer:
    """Kills the sender of a home at some of the moments at which a server hears of it.

    Moments are counted over all of its lives: when a request or command came, before anything is
    done about it, and when it was done and is not answered.
    """

    def __init__(self, home: Home, server: Any, moments: Iterable[int]) -> None:
        self._pid = home.folder / "sender.pid"
        self._moments = set(moments)
        self._count = 0
        self.deaths: list[str] = []
        if isinstance(server, Loopback):
            server.before = lambda request: self._due(f"before {request.method}")
            server.after = lambda request: self._due(f"after {request.method}")
            return
        usual = server.scripted

        def scripted(command: str) -> str | None:
            self._due(command.split(" ")[0])
            return usual(command)

        server.scripted, server.on_data = scripted, lambda: self._due("after the dot")

    @property
    def left(self) -> set[int]:
        return self._moments

    def _due(self, where: str) -> None:
        self._count += 1
        if self._count in self._moments:
            self._moments.discard(self._count)
            self.deaths.append(where)
            os.kill(int(self._pid.read_text()), signal.SIGKILL)


def killing(
    home: Home, others: Others, deaths: dict[str, int], moments: dict[str, int], seed: int
) -> dict[str, Killer]:
    """Send all flows, each with so many deaths at random among its first moments."""
    draw = random.Random(seed)
    fresh(home)
    killers = {}
    code = "import sys; from servers.sender import run; run(*sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(home.folder), NOW.isoformat()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as sender:  # fmt: skip
        for name, count in deaths.items():
            chosen = draw.sample(range(1, moments[name] + 1), count)
            killers[name] = Killer(home, others.of(name), chosen)
            sender.stdin.write(f"{name}\n")
            sender.stdin.flush()
            sender.stdout.readline()
            server = others.of(name)
            if isinstance(server, Loopback):
                server.before = server.after = lambda _request: None
        sender.stdin.close()
    return killers
