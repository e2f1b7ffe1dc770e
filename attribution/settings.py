"""The configuration: `caretrace.toml` in the home folder, secrets beside it or in the environment.

Everything that is missing or impossible is reported at once, with what to write where.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from phonenumbers import SUPPORTED_REGIONS

from attribution.errors import SettingsError
from attribution.forecast_settings import ForecastSettings, forecast_settings
from attribution.models.parameters import CreditSettings, credit_settings
from attribution.outreach_settings import outreach_settings
from attribution.paths import Home
from attribution.research.rules import research_rules
from attribution.retention import Retention, retention
from attribution.sign_in import sign_in
from attribution.source_settings import SourceSettings, source_settings
from attribution.told_settings import Told, read_toml
from attribution.warehouse_url import DEFAULT, url_of
from connectors.contract import TOUCH_KINDS

DEFAULT_REGION = "US"
# How a secret is told to be missing, which another process may have in its environment.
_NOT_HERE = re.compile(r"CARETRACE_\w+ is missing: ")


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """How many of something an e-mail, phone, browser or click may make one person of.

    Beyond these it is taken to be shared and joins nobody. `max_duplicates` is how many contacts
    of one CRM with the same e-mail and the same phone are one person.
    """

    max_patients: int = 1  # of one medical record
    max_contacts: int = 1  # of one CRM
    max_emails: int = 1
    max_duplicates: int = 3
    plus_addresses: bool = False  # a+b@x.org is a@x.org
    gmail_dots: bool = False  # dots in the names of gmail.com count for nothing
    tell_apart: bool = True  # who shares an address or a line, by first name and birth year
    joined: str = "auto"  # where: in "memory", on the "engine", or as many identifiers ask for


@dataclass(frozen=True, slots=True)
class PeopleSettings:
    """What is kept of single people beside what they are credited with."""

    keep_timeline: bool = True  # what happened to patients and contacts, and their numbers' hashes


@dataclass(frozen=True, slots=True)
class Settings:
    """What one installation is told."""

    home: Home
    title: str = "caretrace"
    currency: str = "USD"
    region: str = DEFAULT_REGION
    demo: bool = False
    first_day: date = date(2020, 1, 1)
    sources: tuple[SourceSettings, ...] = ()
    credit: CreditSettings = field(default_factory=CreditSettings)
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    retention: Retention = field(default_factory=Retention)
    people: PeopleSettings = field(default_factory=PeopleSettings)
    forecast: ForecastSettings = field(default_factory=ForecastSettings)


def home() -> Home:
    """The home folder of this installation: `CARETRACE_HOME`, or `var` where one stands."""
    return Home(Path(os.environ.get("CARETRACE_HOME", "var")).expanduser().resolve())


def load(at: Home, *, today: date | None = None, secrets: bool = True) -> Settings:
    """Read the configuration of a home folder.

    Raises SettingsError with every problem found, one a line. Without `secrets` it is none that one
    is missing here: who only looks has not the environment of who works.
    """
    if not at.config.is_file():
        raise SettingsError(
            f"There is no {at.config.name} in {at.folder}. `caretrace init` writes one to fill in "
            "(docs/start.md), `caretrace demo` shows a simulated health system."
        )
    document = read_toml(at.config)
    kept = read_toml(at.secrets) if at.secrets.is_file() else {}
    told = Told(document, [])
    # How readers sign in is read apart, by the server (attribution/sign_in.py), and so is what
    # research data must reach (attribution/research/rules.py), how people are reached
    # (attribution/outreach_settings.py) and what runs by itself (attribution/schedule).
    elsewhere = {"sign_in", "research", "outreach", "schedule", "reports", "alerts", "definitions"}
    elsewhere.add("warehouse")  # (attribution/warehouse_url.py)
    told.only((set(Settings.__dataclass_fields__) - {"home"}) | elsewhere)
    first_day = told.get("first_day", date, (today or date.today()) - timedelta(days=731))  # noqa: DTZ011
    sources = (
        source_settings(at, name, table, kept, told.problems)
        for name, table in told.get("sources", dict, {}).items()
    )
    settings = Settings(
        home=at,
        title=told.get("title", str, "caretrace"),
        currency=told.get("currency", str, "USD"),
        region=told.get("region", str, DEFAULT_REGION),
        demo=told.get("demo", bool, False),
        first_day=first_day,
        sources=tuple(source for source in sources if source is not None),
        credit=_credit(told),
        identity=_identity(told),
        retention=_retention(told),
        people=_people(told),
        forecast=_forecast(told),
    )
    if not re.fullmatch("[A-Z]{3}", settings.currency):
        told.problems.append(
            f"currency = {settings.currency!r} is not an ISO 4217 code such as 'USD'"
        )
    if settings.region not in SUPPORTED_REGIONS:
        told.problems.append(f"region = {settings.region!r} is not a country code such as 'US'")
    _definitions(told)
    told.get("warehouse", str, DEFAULT)
    for apart in (url_of, sign_in, research_rules, outreach_settings, *_scheduled(document)):
        try:
            apart(at)
        except SettingsError as error:
            # Its first line names the file, as that of all problems here does.
            said = str(error).splitlines()
            told.problems.extend(line.removeprefix("  - ") for line in said[1:] or said)
    problems = [one for one in told.problems if secrets or not _NOT_HERE.match(one)]
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise SettingsError(f"{at.config} needs attention:\n{lines}")
    return settings


def _scheduled(document: Mapping[str, Any]) -> tuple[Callable[[Home], object], ...]:
    """What reads the tables of the schedule; where there is none, no report need be known."""
    if not document.keys() & {"schedule", "reports", "alerts"}:
        return ()
    from attribution.schedule.alerts import alerts
    from attribution.schedule.plans import planned

    return planned, alerts


def _credit(told: Told) -> CreditSettings:
    try:
        credit = credit_settings(told.get("credit", dict, {}))
        told.problems.extend(
            f"[credit]: {kind!r} in uncounted_touches is none of {', '.join(TOUCH_KINDS)}"
            for kind in credit.uncounted_touches
            if kind not in TOUCH_KINDS
        )
        return credit
    except ValueError as error:
        told.problems.append(f"[credit]: {error}")
        return CreditSettings()


def _retention(told: Told) -> Retention:
    try:
        return retention(told.get("retention", dict, {}))
    except ValueError as error:
        told.problems.append(f"[retention]: {error}")
        return Retention()


def _forecast(told: Told) -> ForecastSettings:
    try:
        # Public holidays are those of the country whose phone numbers are the usual ones.
        region = str(told.table.get("region", DEFAULT_REGION))
        country = region if region in SUPPORTED_REGIONS else DEFAULT_REGION
        return forecast_settings(told.get("forecast", dict, {}), country=country)
    except ValueError as error:
        told.problems.append(f"[forecast]: {error}")
        return ForecastSettings()


def _definitions(told: Told) -> None:
    """Who answers for numbers is read apart, by pages; what is wrong with it is said here."""
    from attribution.definitions import owners_of  # it reads rule tables, which know settings

    try:
        owners_of(told.get("definitions", dict, {}))
    except ValueError as error:
        told.problems.append(f"[definitions]: {error}")


def _identity(told: Told) -> IdentitySettings:
    own = Told(told.get("identity", dict, {}), told.problems, "[identity] ")
    own.only(set(IdentitySettings.__dataclass_fields__))
    default = IdentitySettings()
    limits = {
        name: own.get(name, int, getattr(default, name))
        for name in ("max_patients", "max_contacts", "max_emails", "max_duplicates")
    }
    identity = IdentitySettings(
        **limits,
        plus_addresses=own.get("plus_addresses", bool, default.plus_addresses),
        gmail_dots=own.get("gmail_dots", bool, default.gmail_dots),
        tell_apart=own.get("tell_apart", bool, default.tell_apart),
        joined=own.get("joined", str, default.joined),
    )
    if identity.joined not in ("auto", "memory", "engine"):
        told.problems.append('[identity] joined must be "auto", "memory" or "engine"')
    if min(limits.values()) < 1:
        told.problems.append(f"[identity] {' and '.join(limits)} must be 1 or more")
    return identity


def _people(told: Told) -> PeopleSettings:
    own = Told(told.get("people", dict, {}), told.problems, "[people] ")
    own.only(set(PeopleSettings.__dataclass_fields__))
    return PeopleSettings(keep_timeline=own.get("keep_timeline", bool, True))
