"""Flows: what is said to whom, when and why, each in one TOML file that is checked before use.

Shipped ones lie beside this file in `flows`; a file of the same name in the home's `flows` folder
takes the place of a shipped one. The audience is a file in `sql/audiences`, or in the home's
`audiences`.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import Any

from attribution.errors import BadInput
from attribution.models.channel_words import CHANNELS
from attribution.outreach_settings import clock
from attribution.paths import SQL, Home
from connectors.contract import PURPOSES

SHIPPED = Path(__file__).resolve().parent / "flows"
EVERY = ("event", "day", "week", "month", "quarter", "once")
ASKS = ("nothing", "nps", "review")
GIVEN = ("now", "timezone")  # parameters that every audience may use
_MEANT = {str: "a text", bool: "true or false", int: "a whole number", dict: "a table",
          list: "a list", date: "a date without quotes"}  # fmt: skip
_PARAMETER = re.compile(r"\$([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Template:
    """What is written on one channel."""

    text: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow; `version` changes whenever anything that is approved does."""

    name: str
    title: str
    purpose: str
    audience: str
    every: str
    channels: tuple[str, ...]
    templates: Mapping[str, Template]
    sql: str = field(repr=False)
    version: str
    ends: date
    starts: date = date(2020, 1, 1)
    holdout: float = 0.0
    rest_days: int = 0  # before another message of this flow
    outcome_days: int = 90  # in which its effect is counted
    asks: str = "nothing"
    paid_by_third_party: bool = False
    quiet_from: time | None = None
    quiet_until: time | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def asked(self) -> tuple[str, ...]:
        """The parameters that the audience's SQL names."""
        return tuple(sorted(set(_PARAMETER.findall(_code(self.sql)))))


_TABLES = {"parameters", "templates", "quiet_hours"}
_KNOWN: dict[str, type] = {
    "title": str, "purpose": str, "audience": str, "every": str, "channels": list, "starts": date,
    "ends": date, "holdout": float, "rest_days": int, "outcome_days": int, "asks": str,
    "paid_by_third_party": bool, "parameters": dict, "templates": dict, "quiet_hours": dict,
}  # fmt: skip
_NEEDED = ("title", "purpose", "audience", "every", "channels", "ends", "templates")


def files(home: Home) -> dict[str, Path]:
    """The file of every flow by name."""
    found = {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}
    return found | {path.stem: path for path in sorted((home.folder / "flows").glob("*.toml"))}


def flows(home: Home) -> dict[str, Flow]:
    """Every flow by name, in order; raises BadInput with all that is wrong with any."""
    found = files(home)
    made: dict[str, Flow] = {}
    problems: list[str] = []
    for name in sorted(found):
        try:
            made[name] = read(home, found[name])
        except BadInput as error:
            problems.append(str(error))
    if problems:
        raise BadInput("\n".join(problems))
    return made


def flow(home: Home, name: str) -> Flow:
    """One flow by its name."""
    every = flows(home)
    if name not in every:
        raise BadInput(f"There is no flow {name!r}. There are: {', '.join(every)}.")
    return every[name]


def read(home: Home, path: Path) -> Flow:
    """One flow from its file; what is wrong is said with the file and the key."""
    problems: list[str] = []
    try:
        content = path.read_bytes()
        table = tomllib.loads(content.decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path.name} cannot be read: {error}.") from None
    problems += [f"{key} is not a key of a flow" for key in sorted(table.keys() - _KNOWN.keys())]
    problems += [f"{key} is missing" for key in _NEEDED if key not in table]
    if type(table.get("holdout")) is int:
        table["holdout"] = float(table["holdout"])
    for key in sorted(table.keys() & _KNOWN.keys()):
        if type(table[key]) is not _KNOWN[key]:
            problems.append(f"{key} must be {_MEANT.get(_KNOWN[key], 'a number')}")
    if not re.fullmatch("[a-z][a-z0-9_]{0,63}", path.stem):
        problems.append("its name may hold small letters, digits and _ only")
    if problems:
        _refuse(path, problems)
    sql = _audience(home, str(table["audience"]), problems)
    _choices(table, problems)
    templates = _templates(table["templates"], table["channels"], problems)
    quiet = _quiet(table.get("quiet_hours", {}), problems)
    own = {key: value for key, value in table.items() if key not in _TABLES}
    made = Flow(
        name=path.stem,
        **own | {"channels": tuple(own["channels"])},
        templates=templates,
        parameters=table.get("parameters", {}),
        sql=sql,
        version=hashlib.sha256(content + b"\0" + sql.encode()).hexdigest()[:16],
        quiet_from=quiet[0],
        quiet_until=quiet[1],
    )
    if sql:
        wanted, given = set(made.asked) - set(GIVEN), set(made.parameters)
        problems += [f"parameters.{n} is missing: its audience asks" for n in wanted - given]
        problems += [f"parameters.{n} is nothing its audience asks for" for n in given - wanted]
    if problems:
        _refuse(path, problems)
    return made


def _refuse(path: Path, problems: list[str]) -> None:
    raise BadInput(f"{path.name} cannot be used: {'; '.join(problems)}.")


def _audience(home: Home, name: str, problems: list[str]) -> str:
    if not re.fullmatch("[a-z][a-z0-9_]{0,63}", name):
        problems.append("audience may hold small letters, digits and _ only")
        return ""
    for folder in (home.folder / "audiences", SQL / "audiences"):
        path = folder / f"{name}.sql"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    problems.append(f"audience {name!r} is no file in sql/audiences or the home's audiences")
    return ""


def _choices(table: dict[str, Any], problems: list[str]) -> None:
    for key, choices in (("purpose", PURPOSES), ("every", EVERY), ("asks", ASKS)):
        if table.get(key, choices[0]) not in choices:
            problems.append(f"{key} must be one of {', '.join(choices)}")
    channels = table["channels"]
    known = [channel for channel in channels if channel in CHANNELS]
    if not channels or len(set(known)) != len(channels):
        problems.append(f"channels must be some of {', '.join(CHANNELS)}, each once")
    if not 0 <= table.get("holdout", 0) < 1:
        problems.append("holdout must be a share from 0 to below 1")
    problems += [
        f"{key} must not be negative"
        for key in ("rest_days", "outcome_days")
        if table.get(key, 1) < 0
    ]


def _templates(
    given: dict[str, Any], channels: list[Any], problems: list[str]
) -> dict[str, Template]:
    made = {}
    for channel in channels:
        each = given.get(channel)
        if not isinstance(each, dict) or not isinstance(each.get("text"), str):
            problems.append(f"templates.{channel} needs a text")
            continue
        if set(each) - {"text", "subject"} or not isinstance(each.get("subject", ""), str):
            problems.append(f"templates.{channel} may have text and subject, both texts")
            continue
        if channel == "email" and not each.get("subject"):
            problems.append("templates.email needs a subject")
        made[channel] = Template(each["text"].strip(), each.get("subject", "").strip())
    spare = sorted(set(given) - {str(channel) for channel in channels})
    problems += [f"templates.{channel} is of no channel of the flow" for channel in spare]
    return made


def _quiet(given: dict[str, Any], problems: list[str]) -> tuple[time | None, time | None]:
    if not given:
        return None, None
    times = [clock(str(given.get(key, ""))) for key in ("from", "until")]
    if None in times or set(given) != {"from", "until"}:
        problems.append("quiet_hours needs from and until, such as '20:00' and '09:00'")
    return times[0], times[1]


def _code(sql: str) -> str:
    return "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))
