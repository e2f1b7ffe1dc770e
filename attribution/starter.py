"""A first `caretrace.toml`: the sources that were named, each setting with what it means.

It is made of what the connectors say of their own settings, so it never lags behind them. What has
to be given is marked, what may be given stands beside its default, and of a secret there is only
the name of the variable that it is read from.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from attribution.errors import BadInput
from attribution.source_settings import connector, options_of, secret_variable
from connectors import SOURCES
from connectors.source import Option

REQUIRED = "REQUIRED"
_WIDTH = 100
_VENDORS = "endpoint"  # for tests, proxies and sovereign clouds: `caretrace doctor --explain`
# What is numbered by which kinds, and what that numbering is called where nothing is said.
_NUMBERED = (
    ("patient_namespace", "emr", ("fhir", "fhir_files")),
    ("crm_namespace", "crm", ("hubspot", "salesforce", "zendesk_sell")),
)
_HEAD = """\
# Settings of this installation. What is marked {required} must be filled in: take the # before it
# away. `caretrace doctor` says what is still missing, and asks each source whether it answers.
# docs/start.md explains all of it, docs/sources.md what to grant in each account.

title = {title}
currency = {currency}  # of reports, ISO 4217; spend in others is shown, but not added
region = {region}  # of phone numbers that are written without a country
first_day = {first_day}  # how far back the first load goes
"""
_FOOT = """\

# What else can be set here: how readers sign in (docs/sign-in.md), what runs and is sent by itself
# (docs/schedule.md), who is one person (docs/identity.md), how credit counts (docs/models.md).
"""


def named(asked: Sequence[str]) -> dict[str, str]:
    """The kind of each source, by name, from `hubspot` or `crm=hubspot`; raises BadInput."""
    found: dict[str, str] = {}
    kinds = ", ".join(sorted(SOURCES))
    if not asked:
        raise BadInput(
            "Say which sources there are, each by its kind or as name=kind, such as `caretrace "
            f"init ga4 crm=hubspot drop=files`. Kinds: {kinds}."
        )
    for each in asked:
        name, _, kind = each.partition("=")
        kind = kind or name
        if kind not in SOURCES:
            raise BadInput(f"{kind} is no kind of source. Choose among: {kinds}.")
        if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
            raise BadInput(f"{name} is no name for a source: use letters, digits, - and _ only.")
        if name in found:
            raise BadInput(
                f"Two sources are called {name}. Give each a name of its own, such as "
                f"`{name}-2={kind}`."
            )
        found[name] = kind
    return found


def configuration(
    sources: Mapping[str, str], *, title: str, currency: str, region: str, first_day: date
) -> str:
    """The text of a `caretrace.toml` for these sources, a kind by name."""
    head = _HEAD.format(
        required=REQUIRED,
        title=_toml(title),
        currency=_toml(currency),
        region=_toml(region),
        first_day=first_day.isoformat(),
    )
    apart = namespaces(sources)
    return head + "".join(_source(name, kind, apart) for name, kind in sources.items()) + _FOOT


def variables(sources: Mapping[str, str]) -> list[str]:
    """The environment variables that these sources cannot do without."""
    return [
        secret_variable(name, option.name)
        for name, kind in sources.items()
        for option in options_of(kind)
        if option.secret and option.required
    ]


def namespaces(sources: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Names for whose numbers sources tell, where several number people of their own.

    Under one name number 42 of each would be one person. The first keeps the default, which
    sources that only tell its numbers have too.
    """
    found: dict[str, dict[str, str]] = {}
    for setting, default, kinds in _NUMBERED:
        own = [name for name, kind in sources.items() if kind in kinds]
        for name in own if len(own) > 1 else ():
            called = default if name == own[0] else f"{default}-{name}"
            found.setdefault(setting, {})[name] = called
    return found


def _common(name: str, apart: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The settings that sources of every kind have."""
    lines = _comment("What the account is called in reports of coverage.")
    lines.append(f'# account = "{name}"')
    lines += _comment(
        "Whose numbers of patients and of contacts it tells. Medical records, and CRMs, number "
        "people of their own: two of them need two names, and who tells numbers of one takes its."
    )
    for setting, default, _kinds in _NUMBERED:
        called = apart.get(setting, {}).get(name)
        lines.append(f'{setting} = "{called}"' if called else f'# {setting} = "{default}"')
    return lines


def _source(name: str, kind: str, apart: Mapping[str, Mapping[str, str]]) -> str:
    about = (connector(kind).__doc__ or "").strip().splitlines()[0]
    lines = ["", *_comment(about), f"[sources.{name}]", f'kind = "{kind}"']
    options = [o for o in options_of(kind) if o.required or o.name != _VENDORS]
    # What must be given comes first, then secrets, then what has a default. Tables come last: in
    # TOML, what follows one belongs to it.
    options.sort(key=lambda o: (not o.required, not o.secret))
    lines += [line for o in options if not _in_tables(o) for line in _option(name, o)]
    lines += _common(name, apart)
    lines += [line for o in options if _in_tables(o) for line in _option(name, o)]
    return "\n".join(lines) + "\n"


def _option(source: str, option: Option) -> list[str]:
    if option.secret:
        need = f"{REQUIRED}, a secret" if option.required else "A secret, if you need it"
        return _comment(
            f"{need}: {option.help} It is read from {secret_variable(source, option.name)} or "
            "secrets.toml."
        )
    if _in_tables(option):
        said = f"{REQUIRED}: {option.help}" if option.required else option.help
        return [*_comment(said), f"# [[sources.{source}.{option.name}]]"]
    if option.required:
        return [*_comment(f"{REQUIRED}: {option.help}"), f"# {option.name} ="]
    return [*_comment(option.help), f"# {option.name} = {_toml(option.default)}".rstrip()]


def _in_tables(option: Option) -> bool:
    return option.help.startswith("One table for each")


def _comment(text: str) -> list[str]:
    lines, line = [], "#"
    for word in text.split():
        if len(line) + 1 + len(word) > _WIDTH:
            lines.append(line)
            line = "#"
        line = f"{line} {word}"
    return [*lines, line]


def _toml(value: Any) -> str:
    """A value as TOML writes it; nothing where there is none."""
    if value is None or value in ((), [], {}):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(k)} = {_toml(v)}' for k, v in value.items())} }}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
