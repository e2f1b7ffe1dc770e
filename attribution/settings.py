"""The configuration: `caretrace.toml` in the home folder, secrets beside it or in the environment.

Everything that is missing or impossible is reported at once, with what to write where.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from attribution.errors import SettingsError
from attribution.models.parameters import CreditSettings, credit_settings
from attribution.paths import Home
from connectors import SOURCES
from connectors.source import Option

DEFAULT_REGION = "US"


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One `[sources.<name>]` table with its secrets resolved."""

    name: str
    kind: str
    account: str
    options: Mapping[str, Any] = field(repr=False)
    # Ids are joined across sources only inside one namespace: two medical record systems, or two
    # CRMs, each number their own people.
    patient_namespace: str = "emr"
    crm_namespace: str = "crm"


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """Beyond these many people an e-mail or phone is taken to be shared and joins nobody."""

    max_patients: int = 1
    max_contacts: int = 3


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


def home() -> Home:
    """The home folder of this installation: `CARETRACE_HOME`, or `var` where one stands."""
    return Home(Path(os.environ.get("CARETRACE_HOME", "var")).expanduser().resolve())


def load(at: Home, *, today: date | None = None) -> Settings:
    """Read the configuration of a home folder.

    Raises SettingsError with every problem found, one a line.
    """
    if not at.config.is_file():
        raise SettingsError(
            f"There is no {at.config.name} in {at.folder}. Write one (docs/start.md shows how), "
            "or run `caretrace demo` to see a simulated health system."
        )
    document = _read(at.config)
    secrets = _read(at.secrets) if at.secrets.is_file() else {}
    problems: list[str] = []
    known = {"title", "currency", "region", "demo", "first_day", "sources", "credit", "identity"}
    problems += [f"[{key}] is not a setting" for key in document.keys() - known]
    sources = tuple(
        source
        for name, table in document.get("sources", {}).items()
        if (source := _source(name, table, secrets, problems)) is not None
    )
    try:
        credit = credit_settings(document.get("credit", {}))
    except ValueError as error:
        problems.append(f"[credit]: {error}")
        credit = CreditSettings()
    try:
        identity = IdentitySettings(**document.get("identity", {}))
    except TypeError:
        problems.append("[identity] knows max_patients and max_contacts only")
        identity = IdentitySettings()
    currency = str(document.get("currency", "USD"))
    if len(currency) != 3 or not currency.isupper():
        problems.append(f"currency = {currency!r} is not an ISO 4217 code such as 'USD'")
    first_day = document.get("first_day", (today or date.today()) - timedelta(days=731))  # noqa: DTZ011
    if not isinstance(first_day, date):
        problems.append("first_day must be a date such as 2024-01-01, without quotes")
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise SettingsError(f"{at.config} needs attention:\n{lines}")
    return Settings(
        home=at,
        title=str(document.get("title", "caretrace")),
        currency=currency,
        region=str(document.get("region", DEFAULT_REGION)),
        demo=bool(document.get("demo", False)),
        first_day=first_day,
        sources=sources,
        credit=credit,
        identity=identity,
    )


def connector(kind: str) -> ModuleType:
    """The module that reads sources of a kind."""
    return import_module(SOURCES[kind])


def options_of(kind: str) -> tuple[Option, ...]:
    """The settings that sources of a kind take."""
    options: tuple[Option, ...] = connector(kind).OPTIONS
    return options


def secret_variable(source: str, option: str) -> str:
    """The environment variable that holds a secret: CARETRACE_META_ACCESS_TOKEN."""
    return f"CARETRACE_{source}_{option}".upper().replace("-", "_")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None


def _source(
    name: str, table: Any, secrets: Mapping[str, Any], problems: list[str]
) -> SourceSettings | None:
    where = f"[sources.{name}]"
    if not isinstance(table, dict) or table.get("kind") not in SOURCES:
        kinds = ", ".join(sorted(SOURCES))
        problems.append(f"{where} needs a kind, one of: {kinds}")
        return None
    kind = table["kind"]
    own = {"kind", "account", "patient_namespace", "crm_namespace"}
    options = {option.name: option for option in options_of(kind)}
    problems.extend(
        f"{where} {key} is not a setting of {kind}" for key in table.keys() - own - options.keys()
    )
    values: dict[str, Any] = {}
    for option in options.values():
        value = _value(name, option, table, secrets, problems)
        if value is None and option.required:
            place = (
                secret_variable(name, option.name) if option.secret else f"{where} {option.name}"
            )
            problems.append(f"{place} is missing: {option.help}")
        values[option.name] = option.default if value is None else value
    return SourceSettings(
        name=name,
        kind=kind,
        account=str(table.get("account", name)),
        options=values,
        patient_namespace=str(table.get("patient_namespace", "emr")),
        crm_namespace=str(table.get("crm_namespace", "crm")),
    )


def _value(
    name: str,
    option: Option,
    table: Mapping[str, Any],
    secrets: Mapping[str, Any],
    problems: list[str],
) -> Any:
    if not option.secret:
        return table.get(option.name)
    if option.name in table:
        problems.append(
            f"[sources.{name}] {option.name} is a secret: move it to the environment as "
            f"{secret_variable(name, option.name)} or to secrets.toml"
        )
    stored = secrets.get("sources", {}).get(name, {}).get(option.name)
    return os.environ.get(secret_variable(name, option.name), stored)
