"""What a health system may set about conversions, journeys and silence, as tables for the SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from attribution.models.channel_words import meanings
from attribution.told_settings import unknown

KINDS = ("lead", "booked", "kept", "new_patient", "collected")

# Choosing care is slow: a first visit follows its first touch by months, and money by more.
_LOOKBACK_DAYS = MappingProxyType(
    {"lead": 90, "booked": 90, "kept": 120, "new_patient": 180, "collected": 180}
)
# A lead, a booking or a visit ends a journey: a follow-up visit that no touch preceded is nobody's
# merit. Money goes on coming from one decision (instalments, insurers, the second visit of a
# treatment), and a new patient comes once, so their journeys are not cut.
_AFTER_PREVIOUS = MappingProxyType(
    {"lead": True, "booked": True, "kept": True, "new_patient": False, "collected": False}
)
# From half a year on, as days: what half a year is must not depend on the month it began in.
LAPSED_DAYS = 180  # without a kept visit: from then on a patient is silent
_SILENCE = (
    ("6-12", LAPSED_DAYS, 365),
    ("12-18", 365, 548),
    ("18-24", 548, 730),
    ("24-36", 730, 1095),
    ("36+", 1095, None),
)


# To have been shown something, or to have had a picture in a mail loaded, is not to have answered:
# such touches are many, come to the most loyal, and would take the credit of those that work.
_UNCOUNTED = ("impression", "email_open")


# What a journey is, kind by kind; a service line may have its own of each.
JOURNEY_SETTINGS = ("lookback_days", "after_previous", "direct", "collapse", "min_gap_minutes")
DIRECT = ("step", "alone")


@dataclass(frozen=True, slots=True)
class LineSettings:
    """What one service line has of its own; kinds that are not named are as everywhere."""

    lookback_days: Mapping[str, int] = field(default_factory=dict)
    after_previous: Mapping[str, bool] = field(default_factory=dict)
    direct: Mapping[str, str] = field(default_factory=dict)
    collapse: Mapping[str, bool] = field(default_factory=dict)
    min_gap_minutes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CreditSettings:
    """The numbers behind conversions and credit; the defaults suit a health system."""

    timezone: str = "UTC"  # where days and weeks begin
    lead_gap_days: int = 30
    new_patient_days: int = 1095
    lookback_days: Mapping[str, int] = field(default_factory=lambda: _LOOKBACK_DAYS)
    after_previous: Mapping[str, bool] = field(default_factory=lambda: _AFTER_PREVIOUS)
    # "alone": a direct visit is a step only of journeys that have nothing else.
    direct: Mapping[str, str] = field(default_factory=dict)
    collapse: Mapping[str, bool] = field(default_factory=dict)  # a channel again is no new step
    min_gap_minutes: Mapping[str, int] = field(default_factory=dict)  # nor is it sooner than this
    service_lines: Mapping[str, LineSettings] = field(default_factory=dict)
    position_ends: float = 0.4
    milestone_each: float = 0.3
    half_life_days: float = 7.0
    markov_order: int | str = "auto"  # 1 to 4, or the order that foretells journeys best
    uncounted_touches: Sequence[str] = _UNCOUNTED  # kinds of touchpoint that earn no credit
    keep_journeys: bool = True  # keep what single touches are credited with


def credit_settings(table: Mapping[str, Any]) -> CreditSettings:
    """The `[credit]` table of the configuration; ValueError names everything that is wrong."""
    known = {f.name for f in fields(CreditSettings)}
    problems = unknown(table, known)
    numbers = (
        *("lead_gap_days", "new_patient_days"),
        *("position_ends", "milestone_each", "half_life_days"),
    )
    problems += [
        f"{name} must be a number"
        for name in numbers
        if name in table and not _is_number(table[name])
    ]
    if not _is_flag(table.get("keep_journeys", True)):
        problems.append("keep_journeys must be true or false")
    journeys = _journey_settings(table, "", problems)
    lines = table.get("service_lines", {})
    if not isinstance(lines, Mapping):
        problems.append("service_lines must be a table with a table for each service line")
        lines = {}
    own = {str(name): _line_settings(str(name), line, problems) for name, line in lines.items()}
    uncounted = table.get("uncounted_touches", [])
    if not isinstance(uncounted, list) or not all(isinstance(kind, str) for kind in uncounted):
        problems.append('uncounted_touches must be a list such as ["impression", "email_open"]')
    if not problems:
        told = {name: table[name] for name in table} | journeys
        settings = CreditSettings(**told | ({"service_lines": own} if own else {}))
        problems += _impossible(settings)
        if not problems:
            return settings
    raise ValueError("; ".join(problems))


def _line_settings(name: str, line: Any, problems: list[str]) -> LineSettings:
    where = f"service_lines.{name}"
    if not name.strip():
        problems.append("service_lines has a line without a name")
    if not isinstance(line, Mapping):
        problems.append(f"{where} must be a table")
        return LineSettings()
    problems += unknown(line, JOURNEY_SETTINGS, f"{where}.", of=" of a service line")
    return LineSettings(**_journey_settings(line, f"{where}.", problems))


def _journey_settings(
    table: Mapping[str, Any], where: str, problems: list[str]
) -> dict[str, dict[str, Any]]:
    """The settings of journeys by kind; those of all kinds at once may be one value."""
    found: dict[str, dict[str, Any]] = {}
    for name, fits, what in (
        ("lookback_days", _is_days, "days from 1 to 730"),
        ("after_previous", _is_flag, "true or false"),
        ("direct", lambda value: value in DIRECT, '"step" or "alone"'),
        ("collapse", _is_flag, "true or false"),
        ("min_gap_minutes", _is_minutes, "minutes from 0 to 10080"),
    ):
        if name not in table:
            continue
        told = table[name]
        if not isinstance(told, Mapping):
            if name in ("lookback_days", "after_previous"):
                problems.append(f"{where}{name} must be a table with {what} per kind of conversion")
                continue
            told = dict.fromkeys(KINDS, told)
        named = told.keys() - set(KINDS)
        problems += [f"{where}{name}.{key} is not a conversion" for key in sorted(named)]
        wrong = [key for key in told if key not in named and not fits(told[key])]
        alike = len(wrong) == len(KINDS)
        problems += [f"{where}{name} must be {what}"] if alike else []
        problems += [] if alike else [f"{where}{name}.{key} must be {what}" for key in wrong]
        found[name] = dict(told)
    return found


def _impossible(settings: CreditSettings) -> list[str]:
    problems = []
    if not 0 < settings.position_ends <= 0.5:
        problems.append("position_ends must be above 0 and at most 0.5")
    # Three milestones take the same; 1/3 each leaves nothing for the rest.
    if not 0 < settings.milestone_each <= 1 / 3:
        problems.append("milestone_each must be above 0 and at most a third")
    if settings.markov_order not in (1, 2, 3, 4, "auto") or settings.markov_order is True:
        problems.append('markov_order must be 1, 2, 3, 4 or "auto"')
    if not 0.01 <= settings.half_life_days <= 3650:
        problems.append("half_life_days must be from 0.01 to 3650")
    for name, least in (("lead_gap_days", 0), ("new_patient_days", 1)):
        days = getattr(settings, name)
        if not (isinstance(days, int) and least <= days <= 36500):
            problems.append(f"{name} must be whole days, from {least} to 36500")
    try:
        ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        problems.append(f"timezone {settings.timezone!r} is not one such as 'America/Chicago'")
    return problems


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_days(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 730


def _is_minutes(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10080


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def setting_tables(
    settings: CreditSettings,
    currency: str = "USD",
    *,
    keep_timeline: bool = True,
    stop_is_for_all: bool = True,
    open_channels: Sequence[str] = ("direct_mail",),
) -> dict[str, pd.DataFrame]:
    """Every setting as the table that the SQL reads, by the table's name.

    `currency` is that of counts, which have no money of their own.
    """
    return {
        "setting_report": setting_report(settings, currency),
        "setting_today": setting_today(settings),
        "setting_timeline": setting_timeline(keep_timeline),
        "setting_credit": setting_credit(settings),
        "setting_model": setting_model(settings),
        "setting_silence": setting_silence(),
        "setting_channel_words": setting_channel_words(),
        "setting_stop": setting_stop(stop_is_for_all),
        "setting_open_channel": setting_open_channel(open_channels),
        "setting_uncounted": setting_uncounted(settings),
        "setting_kept": setting_kept(settings),
    }


def setting_report(settings: CreditSettings, currency: str) -> pd.DataFrame:
    """One row: what holds for the report as a whole."""
    return pd.DataFrame(
        {
            "currency": [currency],
            "timezone": [settings.timezone],
            "lead_gap_days": [settings.lead_gap_days],
            "new_patient_days": [settings.new_patient_days],
        }
    )


def setting_today(settings: CreditSettings) -> pd.DataFrame:
    """One row: the day on which the tables are built, where the report is at home."""
    return pd.DataFrame({"today": [datetime.now(ZoneInfo(settings.timezone)).date()]})


def setting_credit(settings: CreditSettings) -> pd.DataFrame:
    """Per kind of conversion and service line ('' for all that are not named): what a journey is.

    Columns: kind, service_line, lookback_days, after_previous, drops_direct, collapses,
    gap_seconds.
    """
    everywhere = LineSettings(
        lookback_days=_LOOKBACK_DAYS | dict(settings.lookback_days),
        after_previous=_AFTER_PREVIOUS | dict(settings.after_previous),
        direct=dict.fromkeys(KINDS, "step") | dict(settings.direct),
        collapse=dict.fromkeys(KINDS, False) | dict(settings.collapse),
        min_gap_minutes=dict.fromkeys(KINDS, 0) | dict(settings.min_gap_minutes),
    )
    rows = []
    for line, own in {"": LineSettings(), **settings.service_lines}.items():
        for kind in KINDS:
            days, closes, direct, collapses, gap = (
                getattr(own, name).get(kind, getattr(everywhere, name)[kind])
                for name in JOURNEY_SETTINGS
            )
            rows.append((kind, line, days, closes, direct == "alone", collapses, 60 * gap))
    columns = ["kind", "service_line", "lookback_days", "after_previous"]
    frame = pd.DataFrame(rows, columns=[*columns, "drops_direct", "collapses", "gap_seconds"])
    flags = dict.fromkeys(("after_previous", "drops_direct", "collapses"), "bool")
    return frame.astype({"lookback_days": "int64", "gap_seconds": "int64"} | flags)


def setting_model(settings: CreditSettings) -> pd.DataFrame:
    """Per credit model and parameter: its amount."""
    return pd.DataFrame(
        [
            ("position", "ends", float(settings.position_ends)),
            ("milestone", "each", float(settings.milestone_each)),
            ("time_decay", "half_life_days", float(settings.half_life_days)),
            # Nought: the order is chosen.
            (
                "markov",
                "order",
                float(settings.markov_order) if settings.markov_order != "auto" else 0.0,
            ),
        ],
        columns=["model", "parameter", "amount"],
    )


def setting_uncounted(settings: CreditSettings) -> pd.DataFrame:
    """The kinds of touchpoint that are no step of a journey, one a row."""
    kinds = list(dict.fromkeys(settings.uncounted_touches))  # a kind named twice is one
    return pd.DataFrame({"kind": pd.Series(kinds, dtype="str")})


def setting_kept(settings: CreditSettings) -> pd.DataFrame:
    """The kinds of conversion whose single journeys are kept, one a row."""
    kinds = KINDS if settings.keep_journeys else ()
    return pd.DataFrame({"kind": pd.Series(list(kinds), dtype="str")})


def setting_timeline(keep_timeline: bool) -> pd.DataFrame:
    """The kinds of number by which a person can be looked up, one a row; none where none may be."""
    kinds = ("patient_id", "crm_id") if keep_timeline else ()
    return pd.DataFrame({"kind": pd.Series(list(kinds), dtype="str")})


def setting_silence() -> pd.DataFrame:
    """Per range of silence: the days since the last kept visit, `to_days` left out."""
    frame = pd.DataFrame(list(_SILENCE), columns=["months_silent", "from_days", "to_days"])
    return frame.astype({"from_days": "int64", "to_days": "Int64"})


def setting_channel_words() -> pd.DataFrame:
    """What words for channels mean: word, channel, and whether a permission in it counts."""
    return pd.DataFrame(meanings(), columns=["word", "channel", "lifts"])


def setting_stop(is_for_all: bool) -> pd.DataFrame:
    """One row: whether a STOP is for every purpose, or for that of the message it answers."""
    return pd.DataFrame({"is_for_all": [is_for_all]})


def setting_open_channel(channels: Sequence[str]) -> pd.DataFrame:
    """The channels by which marketing needs no permission until it is refused, one a row."""
    return pd.DataFrame({"channel": pd.Series(list(channels), dtype="str")})
