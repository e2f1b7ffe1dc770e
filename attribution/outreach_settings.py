"""What an installation says of outreach: the table `[outreach]` of the configuration.

Every rule of law is a setting with a careful default; docs/outreach.md has the source of each.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from typing import Any

from attribution.errors import SettingsError
from attribution.models.channel_words import CHANNELS
from attribution.outreach_ways import (
    FILE,
    KINDS,
    ONLY_FOR,
    TABLE_OF,
    WAYS,
    Hubspot,
    Salesforce,
    Sell,
    Smtp,
    Twilio,
    read_way,
    typed,
)
from attribution.paths import Home
from attribution.told_settings import documents
from connectors.contract import PURPOSES
from connectors.zones import zones

OPT_IN, OPT_OUT = "opt_in", "opt_out"
_CONSENT = {
    "treatment": dict.fromkeys(CHANNELS, OPT_OUT),
    "operations": {"email": OPT_OUT, "direct_mail": OPT_OUT, "sms": OPT_IN, "call": OPT_IN},
    "marketing": {"email": OPT_IN, "direct_mail": OPT_OUT, "sms": OPT_IN, "call": OPT_IN},
}


@dataclass(frozen=True, slots=True)
class Outreach:
    """What is told about reaching people."""

    enabled: bool = False
    organisation: str = ""
    phone: str = ""
    postal_address: str = ""
    unsubscribe: str = ""  # an https address or mailto:, put into every e-mail
    booking_url: str = ""
    billing_url: str = ""
    survey_url: str = ""
    per_day: int = 1
    per_week: int = 3
    quiet_from: str = "21:00"
    quiet_until: str = "08:00"
    sms_length: int = 160
    stop_means: str = "channel"  # or purpose
    attempts: int = 5
    consent: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: dict(_CONSENT))
    # channel -> way; under the name of a flow, the same for it alone
    delivery: Mapping[str, Any] = field(default_factory=dict)
    listens: tuple[str, ...] = ()  # sources that tell of refusals, asked before and while we send
    listen_seconds: float = 300.0
    locations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    providers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    smtp: Smtp | None = None
    twilio: Twilio | None = None
    hubspot: Hubspot | None = None
    salesforce: Salesforce | None = None
    sell: Sell | None = None

    def way(self, flow: str, channel: str) -> str:
        """The way that a flow's messages on a channel go."""
        own = self.delivery.get(flow)
        own = own.get(channel) if isinstance(own, Mapping) else None
        return str(own or self.delivery.get(channel, FILE))

    def record_source(self, flow: str, channel: str) -> str:
        """The source whose records a way knows people by; "" where it takes addresses."""
        told = getattr(self, TABLE_OF.get(self.way(flow, channel), ""), None)
        return str(getattr(told, "source", ""))


LISTENED = ("twilio", "smtp_log", "message_events")
_STOP_MEANS = ("channel", "purpose")


def outreach_settings(home: Home) -> Outreach:
    """What the home's configuration says of outreach; raises SettingsError with every problem."""
    document, stored = documents(home)
    table = document.get("outreach", {})
    problems: list[str] = []
    if not isinstance(table, dict):
        raise SettingsError(f"{home.config}: outreach must be a table.")
    ways = {name: given for name, given in table.items() if name in KINDS}
    rest = {name: given for name, given in table.items() if name not in KINDS}
    told = typed(Outreach, "[outreach]", rest, problems)
    secrets = stored.get("outreach", {})
    secrets = secrets if isinstance(secrets, dict) else {}
    for name, given in ways.items():
        told[name] = read_way(home, name, given, secrets, problems)
    _sources(told, document.get("sources", {}), problems)
    _consent(told, problems)
    _places(told, problems)
    problems += [
        f"[outreach] {name} must be a time such as '21:00'"
        for name in ("quiet_from", "quiet_until")
        if name in told and clock(told[name]) is None
    ]
    if told.get("stop_means", "channel") not in _STOP_MEANS:
        problems.append(f"[outreach] stop_means must be one of {', '.join(_STOP_MEANS)}")
    if told.get("per_day", 1) < 1 or told.get("per_week", 1) < 1:
        problems.append("[outreach] per_day and per_week must be 1 or more")
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise SettingsError(f"{home.config} needs attention:\n{lines}")
    return Outreach(**told)


def mail_server(home: Home) -> Outreach:
    """The mail server alone: alerts go by it whatever else of the settings is wrong.

    Raises SettingsError with every problem of `[outreach.smtp]`.
    """
    document, stored = documents(home)
    problems: list[str] = []
    table, secrets = (each.get("outreach") for each in (document, stored))
    smtp = None
    if isinstance(table, dict) and "smtp" in table:
        secrets = secrets if isinstance(secrets, dict) else {}
        smtp = read_way(home, "smtp", table["smtp"], secrets, problems)
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise SettingsError(f"{home.config} needs attention:\n{lines}")
    return Outreach(smtp=smtp)


def clock(text: str) -> time | None:
    """A time of day from `21:00`; None where it is none."""
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        return None
    return time.fromisoformat(text)


def _sources(told: dict[str, Any], sources: Any, problems: list[str]) -> None:
    """Whether the sources that are named are there, and of a kind that fits."""
    known = sources if isinstance(sources, dict) else {}
    for name in told.get("listens", ()):
        kind = known.get(name, {}).get("kind") if isinstance(known.get(name), dict) else None
        if kind not in LISTENED:
            problems.append(
                f"[outreach] listens names {name!r}, which is no source of the kinds "
                f"{', '.join(LISTENED)}"
            )
    for name in ("hubspot", "salesforce", "sell"):
        source = getattr(told.get(name), "source", "")
        if source and source not in known:
            problems.append(f"[outreach.{name}] source = {source!r} is no source")


def _consent(told: dict[str, Any], problems: list[str]) -> None:
    rules = {purpose: dict(given) for purpose, given in _CONSENT.items()}
    for purpose, given in told.get("consent", {}).items():
        if purpose not in PURPOSES or not isinstance(given, dict):
            problems.append(f"[outreach.consent] {purpose} is none of {', '.join(PURPOSES)}")
            continue
        for channel, rule in given.items():
            if channel not in CHANNELS or rule not in (OPT_IN, OPT_OUT):
                problems.append(
                    f"[outreach.consent] {purpose}.{channel} must be a channel "
                    f"({', '.join(CHANNELS)}) with 'opt_in' or 'opt_out'"
                )
            else:
                rules[purpose][channel] = rule
    told["consent"] = rules


def _places(told: dict[str, Any], problems: list[str]) -> None:
    for name, given in told.get("delivery", {}).items():
        own = given if isinstance(given, dict) else {name: given}
        where = (
            f"[outreach.delivery] {name}." if isinstance(given, dict) else "[outreach.delivery] "
        )
        for channel, way in own.items():
            if channel not in CHANNELS or way not in WAYS:
                problems.append(f"{where}{channel} must be a channel with one of {', '.join(WAYS)}")
            elif way != FILE and TABLE_OF[way] not in told:
                problems.append(
                    f"{where}{channel} = '{way}' needs a table [outreach.{TABLE_OF[way]}]"
                )
            elif channel != ONLY_FOR.get(way, channel):
                problems.append(f"{where}{channel} = '{way}' is for {ONLY_FOR[way]} only")
    for table in ("locations", "providers"):
        for name, given in told.get(table, {}).items():
            texts = isinstance(given, dict) and all(isinstance(v, str) for v in given.values())
            if not texts:
                problems.append(f"[outreach.{table}.{name}] must be a table of texts")
            elif given.get("timezone", "UTC") not in zones():
                problems.append(
                    f"[outreach.{table}.{name}] timezone is no name such as 'America/Chicago'"
                )
