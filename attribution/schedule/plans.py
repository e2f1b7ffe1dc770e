"""What is to happen when: the tables `[schedule]` and `[reports.<name>]` of the configuration."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attribution.errors import BadInput, SettingsError
from attribution.metrics import KINDS
from attribution.models import MODELS
from attribution.outreach_settings import clock
from attribution.outreach_ways import ADDRESS, typed
from attribution.paths import Home
from attribution.reports.catalog import REPORTS
from attribution.schedule.slots import DAYS, Slots
from attribution.told_settings import documents, nearest, read_toml
from attribution.ui.scope import PERIODS

FILTERS = ("period", "from", "to", "kind", "model")
_OURS = frozenset({"name", "from_file"})  # what a plan has beside its table
_NO_SERVER = "a mail server: add a table [outreach.smtp]"
_TIME = "must be a time such as '06:30'"


@dataclass(frozen=True, slots=True)
class Week:
    """When sources are refreshed, and how long after a failure it is tried again."""

    day: str = "monday"
    time: str = "05:00"
    timezone: str = "UTC"
    retry_minutes: int = 30  # then twice that, and so on up to a day; 0: not before the next week
    refresh: bool = True
    keep_files_days: int = 366  # of what was sent; 0: for ever

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def slots(self) -> Slots:
        """When sources are refreshed."""
        return _slots(self.day, self.time, self.zone)

    def wait(self, tries: int) -> timedelta:
        """How long to wait after so many refreshes of one week that brought not all."""
        return min(timedelta(minutes=self.retry_minutes * 2 ** (tries - 1)), timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Plan:
    """One report that is sent again and again: which, as what, when, to whom.

    `max_age_days` says how old the data of a source may be; of the others nothing older than the
    week's refresh is sent unmarked. `owner` is told when it is held or fails.
    """

    name: str
    report: str = ""
    format: str = "xlsx"
    filters: Mapping[str, Any] = field(default_factory=dict)
    recipients: tuple[str, ...] = ()
    folder: str = ""
    day: str = "monday"  # or the day of a month, as "1"
    time: str = "07:00"
    deadline_hours: float = 48.0
    owner: str = ""
    max_age_days: Mapping[str, Any] = field(default_factory=dict)
    from_file: bool = False  # of the configuration: a page does not change it

    def slots(self, zone: ZoneInfo) -> Slots:
        """When it is due."""
        return _slots(self.day, self.time, zone)

    @property
    def deadline(self) -> timedelta:
        """How long after it is due it is held at most."""
        return timedelta(hours=self.deadline_hours)

    @property
    def title(self) -> str:
        """The report's title and its format."""
        return f"{REPORTS[self.report].title}, {self.format.upper()}"

    def told(self) -> dict[str, Any]:
        """The plan as its table says it."""
        return {name: value for name, value in asdict(self).items() if name not in _OURS}


@dataclass(frozen=True, slots=True)
class Planned:
    """What the configuration says of the schedule."""

    week: Week
    plans: tuple[Plan, ...]
    demo: bool = False


def planned(home: Home) -> Planned:
    """What the home's configuration plans; raises SettingsError with every problem."""
    document = read_toml(home.config)
    problems: list[str] = []
    week = _week(document.get("schedule", {}), problems)
    tables = document.get("reports", {})
    if not isinstance(tables, dict):
        problems.append("[reports] must hold a table for each report, as [reports.board]")
        tables = {}
    plans = tuple(
        plan
        for name, table in tables.items()
        if (plan := plan_of(name, table, problems, from_file=True)) is not None
    )
    sources = document.get("sources", {})
    problems += [
        f"[reports.{plan.name}] {one}" for plan in plans for one in _unknown(plan, sources)
    ]
    problems += [
        f"[reports.{plan.name}] recipients need {_NO_SERVER}"
        for plan in plans
        if plan.recipients and not _has_server(document)
    ]
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise SettingsError(f"{home.config} needs attention:\n{lines}")
    return Planned(week, plans, document.get("demo") is True)


def is_demo(home: Home) -> bool:
    """Whether this is a simulated health system; one whose settings nobody can read may be."""
    try:
        return documents(home)[0].get("demo", False) is not False
    except SettingsError:
        return True


def plan_of(name: str, table: Any, problems: list[str], *, from_file: bool = False) -> Plan | None:
    """One plan, checked; what is wrong goes into `problems`."""
    where = f"[reports.{name}]"
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        problems.append(f"{where} may be named with letters, digits, - and _ only, up to 64")
        return None
    mine: list[str] = []
    if isinstance(table, dict):
        mine += [f"{where} {each} is not a setting" for each in sorted(_OURS & table.keys())]
        table = {key: value for key, value in table.items() if key not in _OURS}
    plan = Plan(name=name, from_file=from_file, **typed(Plan, where, table, mine))
    mine += [f"{where} {problem}" for problem in _wrong(plan)]
    problems += mine
    return None if mine else plan


def checked(home: Home, name: str, table: Mapping[str, Any]) -> Plan:
    """A plan that somebody made on a page; raises BadInput with the first problem."""
    problems: list[str] = []
    listed = {key: [*value] if isinstance(value, tuple) else value for key, value in table.items()}
    plan = plan_of(name, listed, problems)
    if plan is not None:
        document, _ = documents(home)
        problems += _unknown(plan, document.get("sources", {})) + away(home, plan)
        mailed = (("recipients need", plan.recipients), ("owner needs", plan.owner))
        problems += [
            f"{said} {_NO_SERVER}" for said, to in mailed if to and not _has_server(document)
        ]
    if plan is None or problems:
        said = problems[0].removeprefix(f"[reports.{name}] ")
        raise BadInput(f"{said[:1].upper()}{said[1:]}{'' if said.endswith('?') else '.'}")
    return plan


def _wrong(plan: Plan) -> list[str]:
    """What is wrong with a plan whose settings have the right kinds."""
    found: list[str] = []
    if plan.report not in REPORTS:
        return [_one_of("report", plan.report, REPORTS)]
    which = REPORTS[plan.report]
    if plan.format not in which.formats:
        found.append(_one_of("format", plan.format, which.formats))
    heard = set(which.filters) & set(FILTERS)
    found += [
        f"filters.{name} is no filter of this report{nearest(name, heard)}"
        for name in sorted(plan.filters.keys() - heard)
    ]
    found += _filtered(plan.filters)
    if not plan.recipients and not plan.folder:
        found.append("recipients or folder must say where it goes")
    found += _addresses("recipients", plan.recipients)
    if len(set(map(str.lower, plan.recipients))) < len(plan.recipients):
        found.append("recipients names somebody twice")
    found += _addresses("owner", (plan.owner,) if plan.owner else ())
    if plan.day not in DAYS and not (plan.day.isdigit() and 1 <= int(plan.day) <= 28):
        found.append("day must be a day such as 'monday', or '1' to '28' of every month")
    if clock(plan.time) is None:
        found.append(f"time {_TIME}")
    if not 0 <= plan.deadline_hours <= 24 * 28:
        found.append("deadline_hours must be from 0 to 672")
    ages = plan.max_age_days.values()
    if any(type(age) not in (int, float) or age <= 0 for age in ages):
        found.append("max_age_days must give days for each source, as surveys = 31")
    return found


def _filtered(filters: Mapping[str, Any]) -> list[str]:
    """What is wrong with the values of filters: a report would take its defaults instead."""
    found = [
        _one_of(f"filters.{name}", filters[name], known)
        for name, known in (("period", PERIODS), ("kind", KINDS), ("model", MODELS))
        if name in filters and filters[name] not in list(known)
    ]
    for name in ("from", "to"):
        if name in filters and not _is_day(filters[name]):
            found.append(f"filters.{name} must be a day such as '2026-01-05'")
        elif name in filters and filters.get("period") != "custom":
            found.append(f"filters.{name} needs period = 'custom' beside it")
    return found


def _is_day(value: object) -> bool:
    if not isinstance(value, str):
        return type(value) is date  # a time of day is none
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _one_of(name: str, value: object, known: Iterable[str]) -> str:
    every = list(known)
    return f"{name} must be one of {', '.join(every)}{nearest(str(value), every)}"


def _unknown(plan: Plan, sources: Any) -> list[str]:
    """The sources that a plan names and the settings do not; they may tell of none at all."""
    if not isinstance(sources, dict) or not sources:
        return []
    return [
        f"max_age_days.{name} is no source{nearest(name, sources)}"
        for name in sorted(plan.max_age_days.keys() - sources.keys())
    ]


def folder_of(home: Home, plan: Plan) -> Path:
    """The folder that a plan's files are put into; one that is not absolute is of the home."""
    return home.folder / Path(plan.folder).expanduser()


def _has_server(document: Mapping[str, Any]) -> bool:
    return isinstance(outreach := document.get("outreach"), dict) and "smtp" in outreach


def away(home: Home, plan: Plan) -> list[str]:
    """What is wrong with the folder of a plan now.

    No mistake of the settings: it may be there again when it is needed, and nothing else waits.
    """
    if not plan.folder or folder_of(home, plan).is_dir():
        return []
    return [f"folder {plan.folder} is no folder that is there"]


def _addresses(name: str, given: tuple[str, ...]) -> list[str]:
    return [
        f"{name} must be e-mail addresses: number {place} is none"
        for place, address in enumerate(given, start=1)
        if not ADDRESS.fullmatch(address)
    ]


def _week(table: Any, problems: list[str]) -> Week:
    mine: list[str] = []
    week = Week(**typed(Week, "[schedule]", table, mine))
    if week.day not in DAYS:
        mine.append(f"[schedule] day must be one of {', '.join(DAYS)}")
    if clock(week.time) is None:
        mine.append(f"[schedule] time {_TIME}")
    if not _is_zone(week.timezone):
        mine.append("[schedule] timezone is no name such as 'America/Chicago'")
    if not 0 <= week.retry_minutes <= 24 * 60:
        mine.append("[schedule] retry_minutes must be from 0 to 1440")
    if not 0 <= week.keep_files_days <= 36_600:
        mine.append("[schedule] keep_files_days must be from 0 to 36600")
    problems += mine
    return Week() if mine else week


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _slots(day: str, at: str, zone: ZoneInfo) -> Slots:
    when = clock(at)
    assert when is not None  # noqa: S101  checked when it was read
    return Slots(int(day) if day.isdigit() else day, when, zone)
