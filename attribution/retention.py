"""Retention: how long each kind of data is kept, and taking away what is past its time.

Nothing is, unless `[retention]` in the settings says so. Rows go by their own day, not by when they
were loaded, so a source that tells of an old day again does not bring it back.

What says no outlives its time: a withdrawal stays as long as what it withdraws, and what tells of a
message stays where consent reads a refusal or a bounce in it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection

from connectors.contract import BY_TABLE, WITHDRAWN_FROM

# The column that says how old a row is. People, preferences and tracking codes are facts that
# hold until they change, and have no age.
DATED: Mapping[str, str] = MappingProxyType(
    {
        "ad_spend": "day", "claimed_conversions": "day", "web_sessions": "day", "ad_click": "day",
        "touchpoint": "at", "contact": "updated_at", "deal": "updated_at", "link": "at",
        "appointment": "starts_at", "encounter": "starts_at", "care_code": "at",
        "withdrawn": "withdrawn_at", "payment": "posted_at", "call": "started_at",
        "message": "assigned_at", "message_event": "at", "feedback": "at",
        "reputation": "day", "environment": "day",
    }
)  # fmt: skip
_WITHDRAWN = tuple(table for table in WITHDRAWN_FROM if table in DATED)  # and can go by age
_BOUNCES = " union all ".join(
    f"select {address} from raw_{table} where {bounced} and {address} is not null"
    for table, bounced in (("message", "bounced_at is not null"),
                           ("message_event", "event = 'bounced'"))
    for address in ("email", "phone")
)  # fmt: skip
# Of an address that bounced, that something arrived there again is kept as well.
_BOUNCED = f"coalesce(email in ({_BOUNCES}), false) or coalesce(phone in ({_BOUNCES}), false)"
# Rows that stay whatever their age, since outreach/consent.py reads in them who may not be written
# to. Preferences are never purged, so neither is what withdraws one.
_STAYS: Mapping[str, str] = MappingProxyType(
    {
        "withdrawn": "table_name = 'preference'",
        # What our own outreach told comes again from its outbox, and a lift needs all of it.
        "message": "source = 'caretrace_outreach' "
        "or unsubscribed_at is not null or bounced_at is not null "
        f"or (delivered_at is not null and ({_BOUNCED}))",
        "message_event": "event in ('unsubscribed', 'complained', 'bounced') "
        f"or (event = 'delivered' and ({_BOUNCED}))",
    }
)
# What is kept elsewhere, or is a part of a row.
COMMENTS, PAYLOADS, RUNS = "comments", "payloads", "runs"
KINDS = (*DATED, COMMENTS, PAYLOADS, RUNS)
_NEVER = {
    "audit": "the audit log is never purged: each entry is sealed over the one before it",
    "preference": "preferences are never purged: a forgotten opt-out would be a message too many",
    "person": "people have no age: `caretrace forget` deletes one",
}
_PERIOD = re.compile(r"([1-9]\d{0,3}) (day|week|month|year)s?")


@dataclass(frozen=True, slots=True)
class Period:
    """So many days, weeks, months or years."""

    count: int
    unit: str

    def before(self, today: date) -> date:
        """The first day that is still kept."""
        if self.unit in ("day", "week"):
            return today - timedelta(days=self.count * (7 if self.unit == "week" else 1))
        months = self.count * (12 if self.unit == "year" else 1)
        years, month = divmod(today.year * 12 + today.month - 1 - months, 12)
        if years < date.min.year:
            return date.min  # for good, in so many words
        # The 31st of a shorter month is its last day.
        following = date(years + (month == 11), (month + 1) % 12 + 1, 1)
        return date(years, month + 1, min(today.day, (following - timedelta(days=1)).day))

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'s' * (self.count != 1)}"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is kept; what is not named is kept for good."""

    periods: Mapping[str, Period] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.periods)

    def since(self, kind: str, today: date) -> date | None:
        """The first day that is kept of a kind; None where all is."""
        period = self.periods.get(kind)
        return None if period is None else period.before(today)


def retention(table: Mapping[str, Any]) -> Retention:
    """The settings of `[retention]`; raises ValueError with every problem."""
    problems, periods = [], {}
    for kind, said in table.items():
        if kind in _NEVER:
            problems.append(f"{kind} cannot be set: {_NEVER[kind]}")
        elif kind not in KINDS:
            problems.append(f"{kind} is none of {', '.join(KINDS)}")
        elif not isinstance(said, str) or not (found := _PERIOD.fullmatch(said)):
            problems.append(f'{kind} must be a period such as "90 days" or "3 years"')
        else:
            periods[kind] = Period(int(found[1]), found[2])
    if problems:
        raise ValueError("; ".join(problems))
    return Retention(periods)


def counts(connection: Connection, kept: Retention, today: date) -> dict[str, int]:
    """How many rows of each raw table, and how many comments, are past their time."""
    return _each(kept, today, lambda table, where: _count(connection, table, where))


def purge(connection: Connection, kept: Retention, today: date) -> dict[str, int]:
    """Delete what `counts` counts, and blank the comments."""

    def gone(table: str, where: str) -> int:
        number = _count(connection, table, where)
        if number and table == COMMENTS:
            connection.exec_driver_sql(f"update raw_feedback set comment = null where {where}")
        elif number:
            connection.exec_driver_sql(f"delete from raw_{table} where {where}")
        return number

    return _each(kept, today, gone)


def _each(kept: Retention, today: date, do: Callable[[str, str], int]) -> dict[str, int]:
    found = {
        kind: do(kind, where)
        for kind in (*DATED, COMMENTS)
        if (where := _past(kept, kind, today)) is not None
    }
    return {kind: number for kind, number in found.items() if number}


def _past(kept: Retention, kind: str, today: date) -> str | None:
    """The condition under which a row of a kind is past its time; None where none ever is."""
    if (since := kept.since(kind, today)) is None:
        return None
    table = _table(kind)
    column = f'raw_{table}."{DATED[table]}"'
    day = column if DATED[table] == "day" else f"({column} at time zone 'UTC')"
    where = f"coalesce(cast({day} as date) < cast('{since}' as date), false)"
    where += " and comment is not null" if kind == COMMENTS else ""
    where += f" and not ({_STAYS[kind]})" if kind in _STAYS else ""
    if kind == "withdrawn":
        where += "".join(f" and not {_stands(kept, of, today)}" for of in _WITHDRAWN)
    return where


def _stands(kept: Retention, table: str, today: date) -> str:
    """The condition under which what a withdrawal withdraws is of this table, and stays."""
    past = _past(kept, table, today)
    [number] = BY_TABLE[table].spec.key
    return (
        f"(raw_withdrawn.table_name = '{table}' and exists (select 1 from raw_{table} "
        f"where raw_{table}.source = raw_withdrawn.source "
        f"and raw_{table}.account = raw_withdrawn.account "
        f"and raw_{table}.{number} = raw_withdrawn.record_id"
        f"{f' and not ({past})' if past else ''}))"
    )


def _count(connection: Connection, kind: str, where: str) -> int:
    number: int = connection.exec_driver_sql(
        f"select count(*) from raw_{_table(kind)} where {where}"
    ).scalar_one()
    return number


def _table(kind: str) -> str:
    return "feedback" if kind == COMMENTS else kind
