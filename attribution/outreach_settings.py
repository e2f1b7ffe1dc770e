"""What an installation says of outreach: the table `[outreach]` of the configuration.

Every rule of law is a setting with a careful default; docs/outreach.md has the source of each.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import time
from pathlib import Path
from typing import Any, get_type_hints
from zoneinfo import available_timezones

from attribution.errors import SettingsError
from attribution.paths import Home

PURPOSES = ("treatment", "operations", "marketing")
CHANNELS = ("email", "sms", "direct_mail", "call")
SMTP_PASSWORD = "CARETRACE_OUTREACH_SMTP_PASSWORD"  # noqa: S105  its name, not its value
OPT_IN, OPT_OUT = "opt_in", "opt_out"
_CONSENT = {
    "treatment": dict.fromkeys(CHANNELS, OPT_OUT),
    "operations": {"email": OPT_OUT, "direct_mail": OPT_OUT, "sms": OPT_IN, "call": OPT_IN},
    "marketing": {"email": OPT_IN, "direct_mail": OPT_OUT, "sms": OPT_IN, "call": OPT_IN},
}


@dataclass(frozen=True, slots=True)
class Smtp:
    """The mail server that messages are handed to."""

    host: str
    sender: str
    port: int = 587
    security: str = "starttls"  # tls, none (on this computer only)
    user: str = ""
    per_second: float = 10.0
    timeout: float = 30.0
    ca_file: str = ""  # certificates of an authority of your own
    log: str = ""  # folder of the server's own log, which settles what is in doubt
    settle_seconds: float = 600.0  # RFC 5321 4.5.3.2.6: how long a server may take over the dot
    password: str = field(default="", repr=False)


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
    delivery: Mapping[str, str] = field(default_factory=dict)
    locations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    providers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    smtp: Smtp | None = None


_MEANT = {str: "a text in quotes", bool: "true or false", int: "a whole number", float: "a number"}
_ONE_OF = {"stop_means": ("channel", "purpose"), "security": ("starttls", "tls", "none")}


def outreach_settings(home: Home) -> Outreach:
    """What the home's configuration says of outreach; raises SettingsError with every problem."""
    try:
        document = tomllib.loads(home.config.read_text(encoding="utf-8"))
        kept = home.secrets
        stored = tomllib.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{home.config} cannot be read: {error}.") from None
    table = document.get("outreach", {})
    problems: list[str] = []
    if not isinstance(table, dict):
        raise SettingsError(f"{home.config}: outreach must be a table.")
    told = _read(Outreach, "[outreach]", table, problems)
    if "smtp" in told:
        smtp = _read(Smtp, "[outreach.smtp]", told["smtp"], problems)
        if "password" in told["smtp"]:
            problems.append(
                f"[outreach.smtp] password is a secret: move it to {SMTP_PASSWORD} or secrets.toml"
            )
        secret = stored.get("outreach", {}).get("smtp", {}).get("password", "")
        smtp["password"] = os.environ.get(SMTP_PASSWORD, secret)
        problems += [
            f"[outreach.smtp] {name} is missing"
            for name in ("host", "sender")
            if not smtp.get(name)
        ]
        if smtp.get("log"):
            smtp["log"] = str(home.folder / Path(smtp["log"]).expanduser())
        told["smtp"] = Smtp(**{"host": "", "sender": ""} | smtp)
    _consent(told, problems)
    _places(told, problems)
    for name in ("quiet_from", "quiet_until"):
        if name in told and clock(told[name]) is None:
            problems.append(f"[outreach] {name} must be a time such as '21:00'")
    if told.get("per_day", 1) < 1 or told.get("per_week", 1) < 1:
        problems.append("[outreach] per_day and per_week must be 1 or more")
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise SettingsError(f"{home.config} needs attention:\n{lines}")
    return Outreach(**told)


def clock(text: str) -> time | None:
    """A time of day from `21:00`; None where it is none."""
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        return None
    return time.fromisoformat(text)


def _read(kind: type, where: str, table: Any, problems: list[str]) -> dict[str, Any]:
    """The settings of one table that are of the kind that is meant."""
    if not isinstance(table, dict):
        problems.append(f"{where} must be a table")
        return {}
    hints, told = get_type_hints(kind), {}
    names = {each.name for each in fields(kind)}
    problems += [f"{where} {name} is not a setting" for name in sorted(table.keys() - names)]
    for name in sorted(table.keys() & names):
        value, meant = table[name], hints[name]
        if meant is float and type(value) is int:
            value = float(value)
        if meant in _MEANT and type(value) is not meant:
            problems.append(f"{where} {name} must be {_MEANT[meant]}")
        elif meant not in _MEANT and not isinstance(value, dict):
            problems.append(f"{where} {name} must be a table")
        elif name in _ONE_OF and value not in _ONE_OF[name]:
            problems.append(f"{where} {name} must be one of {', '.join(_ONE_OF[name])}")
        else:
            told[name] = value
    return told


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
    for channel, way in told.get("delivery", {}).items():
        if channel not in CHANNELS or way not in ("file", "smtp"):
            problems.append(
                f"[outreach.delivery] {channel} must be a channel with 'file' or 'smtp'"
            )
        elif way == "smtp" and (channel != "email" or "smtp" not in told):
            problems.append(
                f"[outreach.delivery] {channel} = 'smtp' needs a table [outreach.smtp], and is "
                "for email only"
            )
    for table in ("locations", "providers"):
        for name, given in told.get(table, {}).items():
            texts = isinstance(given, dict) and all(isinstance(v, str) for v in given.values())
            if not texts:
                problems.append(f"[outreach.{table}.{name}] must be a table of texts")
            elif given.get("timezone", "UTC") not in available_timezones():
                problems.append(
                    f"[outreach.{table}.{name}] timezone is no name such as 'America/Chicago'"
                )
