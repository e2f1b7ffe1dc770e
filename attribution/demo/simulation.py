"""Simulate a health system into a folder: raw files, the configuration, and the truth."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from attribution.demo.config import config_toml
from attribution.demo.files import write_all
from attribution.demo.geo_test import DEMO, geo_truth
from attribution.demo.knobs import STANDARD, Knobs
from attribution.demo.labels import CAMPAIGN, SHORT, campaign_name
from attribution.demo.market import LINES, LOCATIONS
from attribution.demo.planned import planned_spend
from attribution.demo.tables import tables_of
from attribution.demo.truth import truth_of
from attribution.demo.worlds import calendar_of, world
from attribution.errors import BadInput, SettingsError
from attribution.paths import Home
from attribution.told_settings import lenient

TRUTH, GEO_TEST = "truth.json", "geo_test"
RULES = ("campaign_rules.csv", "planned_spend.csv")
FEWEST = 100
_TWO_YEARS = 730
_BEFORE = timedelta(days=5 * 365)  # visits of old patients go back this far


@dataclass(frozen=True, slots=True)
class Summary:
    """What was simulated."""

    people: int
    seed: int
    first_day: date
    last_day: date
    drop: Path
    rows: dict[str, int]  # contract table -> rows


def simulate(
    folder: Path,
    *,
    people: int = 60_000,
    seed: int = 7,
    until: date | None = None,
    days: int = _TWO_YEARS,
    processes: int | None = None,
    knobs: Knobs = STANDARD,
    off: frozenset[str] = frozenset(),
) -> Summary:
    """Write `drop/`, `caretrace.toml`, `truth.json` and the tables of RULES into `folder`.

    The last day is the last Sunday up to `until`, or up to yesterday; `days` is rounded down to
    whole weeks. `knobs` and `off` make another world than the demo's. The same arguments write the
    same bytes. No part of the pipeline reads the truth.
    """
    lived = world(people, seed, off, until=until, days=days, knobs=knobs)
    tables = tables_of(lived)
    drop = folder / "drop"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_all(drop, tables)
    start = lived.calendar.start
    (folder / "caretrace.toml").write_text(
        config_toml(drop, first_day=start - _BEFORE, people=people), encoding="utf-8"
    )
    planned = planned_spend(seed, lived.calendar, people, knobs)
    for name, text in zip(RULES, (campaign_rules(), planned.to_csv(index=False)), strict=True):
        (folder / name).write_text(text, encoding="utf-8")
    rows = {name: len(table) for name, table in tables.items()}
    del tables
    truth = truth_of(lived, processes=processes)
    dark = geo_truth(lived)
    if dark:
        truth[GEO_TEST] = dark
    (folder / TRUTH).write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")
    return Summary(people, seed, start, lived.calendar.until, drop, rows)


def prepare(
    home: Home,
    *,
    people: int,
    seed: int,
    until: date | None = None,
    days: int = _TWO_YEARS,
    say: Callable[[str], None] = lambda _text: None,
) -> None:
    """Simulate into a home folder, unless the same world is there already.

    An earlier demo of another world is removed with everything derived from it: two worlds in one
    warehouse would be nobody's truth. It stands until the new one is whole. Raises SettingsError
    where the folder is not a demo's, BadInput where too few people are asked for.
    """
    if people < FEWEST:
        raise BadInput(
            f"A health system of {people:,} people cannot be simulated: give --people {FEWEST} or "
            "more. Nothing was changed."
        )
    if home.config.is_file() and lenient(home).get("demo") is not True:
        raise SettingsError(
            f"{home.folder} holds a real installation; set CARETRACE_HOME to another folder "
            "for the demo."
        )
    calendar = calendar_of(until, days)
    wanted = (people, seed, calendar.start.isoformat(), calendar.until.isoformat())
    if home.config.is_file() and _simulated(home.folder / TRUTH) == wanted:
        say(f"The health system in {home.folder} is already simulated.")
        return
    say(f"Simulating a health system with {people:,} people ...")
    beside = home.folder / "simulating"
    shutil.rmtree(beside, ignore_errors=True)  # of a run that was killed
    home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        summary = simulate(beside, people=people, seed=seed, until=until, days=days, knobs=DEMO)
        drop = _move_in(home, beside, summary)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    say(
        f"{summary.first_day:%d %B %Y} to {summary.last_day:%d %B %Y} are in {drop}; "
        f"what each channel truly brought is in {home.folder / TRUTH}."
    )


def _move_in(home: Home, beside: Path, summary: Summary) -> Path:
    """Put a new world where the old one was, its truth last; returns its raw files' folder."""
    drop = home.folder / "drop"
    configuration = config_toml(drop, first_day=summary.first_day - _BEFORE, people=summary.people)
    (beside / home.config.name).write_text(configuration, encoding="utf-8")
    _remove(home)
    for name in (home.config.name, *RULES, "drop", TRUTH):
        (beside / name).replace(home.folder / name)
    return drop


def _simulated(truth: Path) -> tuple[int, int, str, str] | None:
    """People, seed, first and last day of the world whose truth this is; it is written last."""
    try:
        found = json.loads(truth.read_text(encoding="utf-8"))
        if {"knobs", "off"} & found.keys():
            return None  # another world than the demo's
        return found["people"], found["seed"], found["first_day"], found["last_day"]
    except (OSError, ValueError, KeyError):
        return None


def _remove(home: Home) -> None:
    for folder in (home.folder / "drop", home.generations, home.raw):
        shutil.rmtree(folder, ignore_errors=True)
    # Keys that know how long the audit log was, with it.
    files = [home.folder / TRUTH, home.current, home.keyring, home.audit_heads]
    for database in (home.ledger, home.vault):
        files += [database, *(Path(f"{database}{end}") for end in ("-wal", "-shm"))]
    for file in files:
        file.unlink(missing_ok=True)


def campaign_rules() -> str:
    """Which service line and location each campaign's name stands for."""
    rules: dict[str, tuple[str, str]] = {}
    for lever, form in CAMPAIGN.items():
        for line, _ in enumerate(SHORT):
            for place, _ in enumerate(LOCATIONS):
                for bing in (False, True):
                    name = campaign_name(lever, line, place, bing=bing)
                    rules[name] = (
                        LINES[line] if SHORT[line] in name else "",
                        LOCATIONS[place] if "{place}" in form and LOCATIONS[place] in name else "",
                    )
    lines = ["priority,utm_campaign,service_line,location"]
    lines += [
        f"{number},^{name}$,{line},{place}"
        for number, (name, (line, place)) in enumerate(sorted(rules.items()), start=10)
        if line or place
    ]
    return "\n".join(lines) + "\n"
