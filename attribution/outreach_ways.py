"""The ways out of the outbox and what each is told: the tables `[outreach.<way>]`.

Secrets are read from the environment (CARETRACE_OUTREACH_<WAY>_<NAME>) or from secrets.toml, never
from the configuration.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from email.utils import parseaddr
from pathlib import Path
from typing import Any, get_type_hints

from attribution.paths import Home
from attribution.told_settings import unknown
from connectors.options import is_safe

SMTP, TWILIO, FILE = "smtp", "twilio", "file"
HUBSPOT_LIST, SELL_TASK = "hubspot_list", "sell_task"
SALESFORCE_CAMPAIGN, SALESFORCE_TASK = "salesforce_campaign", "salesforce_task"
# The table that each way is told in; a file needs none.
TABLE_OF = {
    SMTP: "smtp", TWILIO: "twilio", HUBSPOT_LIST: "hubspot", SALESFORCE_CAMPAIGN: "salesforce",
    SALESFORCE_TASK: "salesforce", SELL_TASK: "sell",
}  # fmt: skip
WAYS = (FILE, *TABLE_OF)
# Ways by which another system gets to know whom it is to reach.
HANDED_ON = (HUBSPOT_LIST, SALESFORCE_CAMPAIGN, SALESFORCE_TASK, SELL_TASK)
# Ways that reach people on one channel only; the others say who, and the system does the rest.
ONLY_FOR = {SMTP: "email", TWILIO: "sms"}
_SECRET, _PATH = {"secret": True}, {"path": True}
_MEANT = {str: "a text in quotes", bool: "true or false", int: "a whole number", float: "a number"}
_NAMES = tuple[str, ...]
_SECURITY = ("starttls", "tls", "none")
# RFC 5321, 4.1.2: a dot-string at a domain. Quoted names and literals are for nobody's patients,
# and what can be more than one address, or a line of its own in a header, must not get through.
ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
)


@dataclass(frozen=True, slots=True)
class Smtp:
    """The mail server that messages are handed to."""

    host: str = ""
    sender: str = ""
    port: int = 587
    security: str = "starttls"  # tls, none (on this computer only)
    user: str = ""
    per_second: float = 10.0
    timeout: float = 30.0
    # Certificates of an authority of your own.
    ca_file: str = field(default="", metadata=_PATH)
    # Folder of the server's own log, which settles what is in doubt.
    log: str = field(default="", metadata=_PATH)
    settle_seconds: float = 600.0  # RFC 5321 4.5.3.2.6: how long a server may take over the dot
    password: str = field(default="", repr=False, metadata=_SECRET)

    @property
    def domain(self) -> str:
        """What our Message-IDs end with: the sender's own domain."""
        return parseaddr(self.sender)[1].rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Twilio:
    """The account that text messages leave from."""

    account_sid: str = ""
    api_key: str = ""
    messaging_service: str = ""  # or from_number
    from_number: str = ""
    per_second: float = 1.0  # a long code of the United States takes about one a second
    settle_seconds: float = 120.0  # how long Twilio may take until it lists a message
    endpoint: str = ""
    auth_token: str = field(default="", repr=False, metadata=_SECRET)


@dataclass(frozen=True, slots=True)
class Hubspot:
    """The account on whose static lists people are put; `source` is who tells of its contacts."""

    source: str = ""
    lists: Mapping[str, Any] = field(default_factory=dict)  # flow -> number of a list
    api_version: str = "2026-03"
    endpoint: str = ""
    access_token: str = field(default="", repr=False, metadata=_SECRET)


@dataclass(frozen=True, slots=True)
class Salesforce:
    """The organisation whose campaigns people join, or where tasks are made of them."""

    source: str = ""
    consumer_key: str = ""
    username: str = ""
    private_key_file: str = field(default="", metadata=_PATH)
    domain: str = "login"
    api_version: str = "66.0"
    campaigns: Mapping[str, Any] = field(default_factory=dict)  # flow -> id of a campaign
    member_status: str = ""
    refused_status: str = ""  # of members who refuse later; without one they leave the campaign
    task_key_field: str = ""  # text field of tasks, unique, an external id
    task_owner: str = ""
    task_closed_status: str = "Completed"
    endpoint: str = ""
    private_key: str = field(default="", repr=False, metadata=_SECRET)
    consumer_secret: str = field(default="", repr=False, metadata=_SECRET)


@dataclass(frozen=True, slots=True)
class Sell:
    """The account where tasks are made of people."""

    source: str = ""
    owner: int = 0  # number of the user who is to do them; 0 is whose token it is
    per_second: float = 5.0
    settle_seconds: float = 120.0
    endpoint: str = ""
    access_token: str = field(default="", repr=False, metadata=_SECRET)


KINDS: dict[str, type] = {
    "smtp": Smtp, "twilio": Twilio, "hubspot": Hubspot, "salesforce": Salesforce, "sell": Sell,
}  # fmt: skip
_NEEDED = {
    "smtp": ("host", "sender"), "twilio": ("account_sid",), "hubspot": ("source",),
    "salesforce": ("source", "consumer_key"), "sell": ("source",),
}  # fmt: skip
_FORMS = {
    "account_sid": ("AC[0-9a-fA-F]{32}", "AC and 32 signs, as Twilio's console shows it"),
    "api_key": ("SK[0-9a-fA-F]{32}", "SK and 32 signs, as Twilio's console shows it"),
    "messaging_service": ("MG[0-9a-fA-F]{32}", "MG and 32 signs, as Twilio's console shows it"),
    "from_number": (r"\+[1-9]\d{6,14}", "a number such as '+13125550100'"),
    "task_key_field": (r"\w{1,80}", "the API name of a field, such as 'Caretrace_Key__c'"),
    "task_owner": ("[0-9A-Za-z]{15,18}", "the id of a user"),
}


def read_way(
    home: Home, name: str, table: Any, stored: Mapping[str, Any], problems: list[str]
) -> Any:
    """What one table says, as the dataclass of its way; everything wrong goes into `problems`."""
    where, kind = f"[outreach.{name}]", KINDS[name]
    told = typed(kind, where, table, problems)
    for each in fields(kind):
        if each.metadata.get("secret"):
            variable = f"CARETRACE_OUTREACH_{name}_{each.name}".upper()
            if each.name in told:
                problems.append(
                    f"{where} {each.name} is a secret: move it to {variable} or secrets.toml"
                )
            kept = stored.get(name, {})
            kept = kept.get(each.name, "") if isinstance(kept, dict) else ""
            told[each.name] = os.environ.get(variable, str(kept))
        elif each.metadata.get("path") and told.get(each.name):
            told[each.name] = str(home.folder / Path(told[each.name]).expanduser())
    problems += [f"{where} {one} is missing" for one in _NEEDED[name] if not told.get(one)]
    for one, (form, meant) in _FORMS.items():
        if told.get(one) and not re.fullmatch(form, str(told[one])):
            problems.append(f"{where} {one} must be {meant}")
    if told.get("security", "tls") not in _SECURITY:
        problems.append(f"{where} security must be one of {', '.join(_SECURITY)}")
    if told.get("endpoint") and not is_safe(told["endpoint"]):
        problems.append(f"{where} endpoint must begin with https://")
    if told.get("per_second", 1.0) <= 0:
        problems.append(f"{where} per_second must be more than 0")
    if name == "twilio" and bool(told.get("from_number")) == bool(told.get("messaging_service")):
        problems.append(f"{where} needs either messaging_service or from_number")
    for one, form, meant in (("lists", r"\d+", "list"), ("campaigns", "701[0-9A-Za-z]{12,15}",
                                                         "campaign")):  # fmt: skip
        for flow, number in told.get(one, {}).items():
            if not re.fullmatch(form, str(number)):
                problems.append(f"{where} {one}.{flow} is no number of a {meant}")
    return kind(**told)


def typed(kind: type, where: str, table: Any, problems: list[str]) -> dict[str, Any]:
    """The settings of one table that are of the kind that is meant."""
    if not isinstance(table, dict):
        problems.append(f"{where} must be a table")
        return {}
    hints, told = get_type_hints(kind), {}
    names = {each.name for each in fields(kind)}
    problems += unknown(table, names, f"{where} ")
    for name in sorted(table.keys() & names):
        value, meant = table[name], hints[name]
        if meant is float and type(value) is int:
            value = float(value)
        if meant in _MEANT and type(value) is not meant:
            problems.append(f"{where} {name} must be {_MEANT[meant]}")
        elif meant == _NAMES and not _is_names(value):
            problems.append(f"{where} {name} must be a list of names")
        elif meant not in _MEANT and meant != _NAMES and not isinstance(value, dict):
            problems.append(f"{where} {name} must be a table")
        else:
            told[name] = tuple(value) if isinstance(value, list) else value
    return told


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
