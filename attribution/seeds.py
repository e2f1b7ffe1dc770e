"""Seeds: small rule tables that users may edit, and settings, written as tables for the SQL.

A file of the same name in the home folder takes the place of the one that ships.
"""

import csv
import math
import re
import textwrap
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection

from attribution.errors import BadInput
from attribution.models.parameters import KINDS, setting_tables
from attribution.outreach_settings import OPT_OUT, outreach_settings
from attribution.paths import SQL
from attribution.patterns import fault
from attribution.raw import columns, fetch, lent
from attribution.settings import Settings

SEEDS = SQL / "seeds"
_LAPSE_NUMBERS = (
    *("age_min", "age_max", "interval_days", "lapsed_days", "lost_days", "open_loop_days"),
)
COUNTED = tuple(kind for kind in KINDS if kind != "collected")
# Columns that a user's file may leave out: they are empty then.
OPTIONAL = {"lift_tests": ("service_line", "test")}
PATTERNS = {"kind", "utm_source", "utm_medium", "utm_campaign", "network", "action"}


def read(name: str, own: Path | None = None) -> pd.DataFrame:
    """A rule table as text; `own` is the user's file, which must have the shipped columns."""
    found = _rows(SEEDS / f"{name}.csv")
    if own is not None and own.is_file():
        found = _edited(name, own, list(found.columns))
    if name == "lift_tests":
        # Those that were recorded are in the ledger, and in no file.
        found = found.assign(recorded=pd.Series("", index=found.index, dtype="str"))
    return found


def _edited(name: str, own: Path, columns: list[str]) -> pd.DataFrame:
    """The user's file in the place of the shipped one, proved."""
    edited = _rows(own)
    edited = edited.assign(
        **{column: "" for column in OPTIONAL.get(name, ()) if column not in edited.columns}
    )
    missing = [column for column in columns if column not in edited.columns]
    if missing:
        raise BadInput(f"{own} lacks the column {missing[0]!r}; the shipped {name}.csv has it.")
    if name == "lift_tests":
        _prove_tests(own, edited)
    elif name == "lapse_rules":
        _prove_lapse(own, edited)
    elif name in ("promotions", "capacity", "planned_spend"):
        _prove_spans(own, edited)
    else:
        _prove(own, edited)
    if name == "claim_rules":
        _prove_claims(own, edited)
    return edited[columns]


def write(connection: Connection, settings: Settings) -> None:
    """Write every seed and every setting as a table of the private store."""
    tables = {
        path.stem: read(path.stem, settings.home.folder / path.name)
        for path in sorted(SEEDS.glob("*.csv"))
    }
    from attribution import lift_records  # SciPy's statistics: only a refresh needs them

    tables["lift_tests"] = pd.concat(
        [tables["lift_tests"], lift_records.evidence(settings.home)], ignore_index=True
    )
    outreach = outreach_settings(settings.home)
    tables |= setting_tables(
        settings.credit,
        settings.currency,
        keep_timeline=settings.people.keep_timeline,
        stop_is_for_all=outreach.stop_means == "channel",
        open_channels=[
            channel for channel, rule in outreach.consent["marketing"].items() if rule == OPT_OUT
        ],
    )
    for name, frame in tables.items():
        arrow = pa.Table.from_pandas(frame, preserve_index=False)
        with lent(connection, arrow) as incoming:
            connection.exec_driver_sql(f"create or replace table {name} as from {incoming}")


def unmet_lines(connection: Connection) -> str:
    """A sentence where settings of credit name service lines that no conversion has.

    Only models know which lines there are, so it is asked after they were built.
    """
    named = [line for line in _lines(connection, "setting_credit") if line]
    known = _lines(connection, "conversions") if named else []
    unmet = [repr(line) for line in named if line not in known]
    if not unmet or not known:
        return ""
    lines = textwrap.shorten(", ".join(known), 200, placeholder=" ...")
    return (
        f"No conversion is of the service line {' or '.join(unmet)}, so what [credit.service_lines]"
        f" sets for it counts for nothing. There are: {lines}."
    )


def _lines(connection: Connection, table: str) -> list[str]:
    if not columns(connection, table):
        return []  # on a cluster lands what models read
    found = fetch(connection, f"select distinct service_line from {table} order by 1")  # noqa: S608
    lines: list[str] = found.column("service_line").to_pylist()
    return lines


def _prove(path: Path, rules: pd.DataFrame) -> None:
    """A rule that cannot work is named here; the engine would only say that a model failed."""
    for number, rule in enumerate(rules.to_dict("records"), start=2):
        if not str(rule["priority"]).strip().isdigit():
            raise BadInput(f"{path}, line {number}: priority {rule['priority']!r} is not a number.")
        for column in PATTERNS & rule.keys():
            if said := fault(rule[column]):
                raise BadInput(f"{path}, line {number}: {column} {said}")


def _prove_claims(path: Path, rules: pd.DataFrame) -> None:
    """An action of a kind that nobody counts would be compared with nothing, unsaid."""
    for number, kind in enumerate(rules["kind"], start=2):
        if kind and kind not in COUNTED:
            raise BadInput(
                f"{path}, line {number}: kind {kind!r} is none of {', '.join(COUNTED)}; leave it "
                "empty for an action that is no conversion."
            )


def _prove_tests(path: Path, tests: pd.DataFrame) -> None:
    """A test that says nothing, or cannot be so, would pull a channel's credit somewhere wrong."""
    together: dict[str, tuple[str, ...]] = {}
    for number, test in enumerate(tests.to_dict("records"), start=2):
        where = f"{path}, line {number}"
        said = {name: str(value).strip() for name, value in test.items()}
        if said["kind"] not in KINDS:
            raise BadInput(f"{where}: kind {said['kind']!r} is none of {', '.join(KINDS)}.")
        _channel(where, said["channel"])
        days = {name: _day(where, name, said[name]) for name in ("first_day", "last_day")}
        if days["last_day"] < days["first_day"]:
            raise BadInput(f"{where}: last_day {said['last_day']} is before first_day.")
        _number(where, "increment", said["increment"])
        if _number(where, "standard_error", said["standard_error"]) <= 0:
            raise BadInput(
                f"{where}: standard_error {said['standard_error']!r} must be above 0; without one "
                "nobody knows how much the test tells."
            )
        whole = tuple(said[n] for n in ("channel", "kind", "increment", "standard_error"))
        if said["test"] and together.setdefault(said["test"], whole) != whole:
            raise BadInput(
                f"{where}: the rows of the test {said['test']!r} are parts of one, so they need "
                "the same channel, kind, increment and standard_error, those of the whole."
            )


@cache
def _channels() -> frozenset[str]:
    return frozenset(_rows(SEEDS / "channel_rules.csv")["channel"])


def _channel(where: str, channel: str) -> None:
    channels = _channels()
    if channel not in channels:
        raise BadInput(f"{where}: channel {channel!r} is none of {', '.join(sorted(channels))}.")


def _prove_spans(path: Path, spans: pd.DataFrame) -> None:
    """Days from and to, either of which may be open, and numbers that can be so."""
    for number, span in enumerate(spans.to_dict("records"), start=2):
        where = f"{path}, line {number}"
        said = {name: str(value).strip() for name, value in span.items()}
        days = {n: _day(where, n, said[n]) for n in ("first_day", "last_day") if said[n]}
        if len(days) == 2 and days["last_day"] < days["first_day"]:
            raise BadInput(f"{where}: last_day {said['last_day']} is before first_day.")
        if "spend_per_week" in said:
            _channel(where, said["channel"])
            if _number(where, "spend_per_week", said["spend_per_week"]) < 0:
                raise BadInput(f"{where}: spend_per_week must not be below 0.")
        visits = said.get("visits_per_week")
        if visits is not None and _number(where, "visits_per_week", visits) <= 0:
            raise BadInput(f"{where}: visits_per_week {visits!r} must be above 0.")


def _prove_lapse(path: Path, rules: pd.DataFrame) -> None:
    """Days must be in their order, and every age of every service line must have one rule."""
    ages: dict[str, list[tuple[int, int]]] = {}
    for number, rule in enumerate(rules.to_dict("records"), start=2):
        where = f"{path}, line {number}"
        said = {name: _whole(where, name, rule[name]) for name in _LAPSE_NUMBERS}
        interval, lapsed, lost = (said[f"{name}_days"] for name in ("interval", "lapsed", "lost"))
        if lost is None:
            raise BadInput(f"{where}: lost_days is empty; every rule needs it.")
        if (interval is None) != (lapsed is None):
            raise BadInput(f"{where}: give interval_days and lapsed_days, or neither.")
        if interval is not None and lapsed is not None and not 0 < interval < lapsed < lost:
            raise BadInput(f"{where}: interval_days, lapsed_days and lost_days must grow, from 1.")
        first, last = said["age_min"] or 0, 999 if said["age_max"] is None else said["age_max"]
        line = str(rule["service_line"]).strip().lower().replace(" ", "_")
        if first > last or any(a <= last and first <= b for a, b in ages.get(line, [])):
            raise BadInput(f"{where}: its ages are upside down, or another rule's of the line.")
        ages.setdefault(line, []).append((first, last))
    covered = sorted(ages.get("", []))
    ends = [(-1, -1), *covered, (1000, 1000)]
    if any(after[0] != before[1] + 1 for before, after in pairwise(ends)):
        raise BadInput(
            f"{path}: rules without a service line stand for all that are not named, so together "
            "they must be for every age, each age once."
        )


def _whole(where: str, column: str, text: object) -> int | None:
    said = str(text).strip()
    if said and not (said.isascii() and said.isdigit() and len(said) < 6):
        raise BadInput(f"{where}: {column} {said!r} is not a whole number of at most five digits.")
    return int(said) if said else None


def _day(where: str, column: str, text: str) -> date:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise BadInput(f"{where}: {column} {text!r} is not a day such as 2026-03-31.")


def _number(where: str, column: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadInput(f"{where}: {column} {text!r} is not a number.")
    return number


def _rows(path: Path) -> pd.DataFrame:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        header = list(reader.fieldnames or [])
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise BadInput(f"{path}, line {number}: expected {len(header)} values.")
    return pd.DataFrame(rows, columns=header, dtype="str")
