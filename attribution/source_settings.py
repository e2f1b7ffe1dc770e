"""The sources of an installation: their tables, and their secrets from wherever they are kept."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from attribution.others_words import unnamed
from attribution.paths import Home
from attribution.told_settings import Told, nearest, unknown
from connectors import SOURCES
from connectors.options import masked
from connectors.source import Option

# What a setting is in TOML, by its default: a text in place of a list is taken for its letters.
_KINDS: Mapping[type, type] = {tuple: list, dict: dict, bool: bool}


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


def without_secrets(text: str, source: SourceSettings) -> str:
    """What a connector says, without any secret or person that a vendor quoted in it."""
    secret = {option.name for option in options_of(source.kind) if option.secret}
    own = [value for name, value in source.options.items() if name not in secret]
    said = masked(text, [source.options.get(name) for name in secret])
    return unnamed(said, [source.name, source.account, *own])


def source_settings(
    at: Home, name: str, table: Any, secrets: Mapping[str, Any], problems: list[str]
) -> SourceSettings | None:
    """One source from its table; none, and a problem, where its kind is not known."""
    where = f"[sources.{name}]"
    # The name becomes a folder and a part of an environment variable's name.
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        problems.append(f"{where} may be named with letters, digits, - and _ only")
    if not isinstance(table, dict) or str(table.get("kind")) not in SOURCES:
        kinds = ", ".join(sorted(SOURCES))
        given = str(table.get("kind", "")) if isinstance(table, dict) else ""
        problems.append(f"{where} needs a kind, one of: {kinds}{nearest(given, SOURCES)}")
        return None
    kind = table["kind"]
    own = {"kind", "account", "patient_namespace", "crm_namespace"}
    told = Told(table, problems, f"{where} ")
    options = {option.name: option for option in options_of(kind)}
    problems += unknown(table, own | options.keys(), f"{where} ", of=f" of {kind}")
    values: dict[str, Any] = {}
    for option in options.values():
        value = _value(name, option, table, secrets, problems)
        if value is None and option.required:
            place, how = f"{where} {option.name}", ""
            if option.secret:
                place = secret_variable(name, option.name)
                how = (
                    f" Set it in the environment, or {option.name} under {where} in "
                    f"{at.secrets.name}."
                )
            problems.append(f"{place} is missing: {option.help}{how}")
        if type(option.default) in _KINDS and value not in (None, ""):
            value = told.get(option.name, _KINDS[type(option.default)], value)
        if option.path and isinstance(value, str):
            value = str(at.folder / Path(value).expanduser())
        values[option.name] = option.default if value is None else value
    return SourceSettings(
        name=name,
        kind=kind,
        account=told.get("account", str, name),
        options=values,
        patient_namespace=told.get("patient_namespace", str, "emr"),
        crm_namespace=told.get("crm_namespace", str, "crm"),
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
    stored: Any = secrets
    for key in ("sources", name, option.name):
        stored = stored.get(key) if isinstance(stored, dict) else None
    secret = os.environ.get(secret_variable(name, option.name), stored)
    # A line's end that came along with it belongs to no secret, and no header takes it.
    return secret.strip() if isinstance(secret, str) else secret
