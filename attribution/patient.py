"""One person's whole way with us: found by a number of theirs, told from the tables of people.

A number is hashed here as at the door and goes no further: not into a table, a log or an error.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from attribution.errors import StorageError
from attribution.keys import keyring
from attribution.models.journey_credit import shared
from attribution.narrowing import MICROS
from attribution.paths import Home
from attribution.people import People
from attribution.placeholders import placeholders
from attribution.privacy import Door
from attribution.told_settings import lenient
from attribution.versions import SENTENCE

LONGEST_NUMBER = 64
RECORD, CONTACT = "patient_id", "crm_id"
_EVENT = (
    *("person_id", "happened_at", "kind", "tie", "what", "source", "channel", "campaign"),
    *("service_line", "location", "other_at", "number", "out_of", "amount_micros", "currency"),
    *("detail", "conversion_id"),
)
_EVENTS = sa.table("person_events", *(sa.column(name) for name in _EVENT))
_NUMBERS = sa.table("person_numbers", sa.column("number_hash"), sa.column("person_id"))
_FACTS = ("sources", "is_patient", "deceased", "birth_year", "sex", "zip3", "language")
_PROFILES = sa.table("person_profiles", *(sa.column(name) for name in ("person_id", *_FACTS)))
_CREDIT = sa.table(
    "journey_credit",
    *(sa.column(name) for name in ("conversion_id", "person_id", "step", "days_before")),
    *(sa.column(name) for name in ("channel", "campaign")),
    *(sa.column(f"{name}_share") for name in shared()),
)


@dataclass(frozen=True, slots=True)
class System:
    """Whose numbers are meant: a kind of number, and the namespace in which it counts."""

    kind: str  # patient_id, crm_id
    namespace: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What the record says of a person; no name, no address, no day of birth."""

    sources: tuple[str, ...]
    is_patient: bool
    deceased: bool
    birth_year: int | None
    sex: str
    zip3: str
    language: str


def systems(home: Home) -> tuple[System, ...]:
    """The systems whose numbers can be asked for; records come before CRMs.

    Read without the rest of the configuration: a page has no business with sources and secrets.
    """
    sources = lenient(home).get("sources", {})
    tables = [table for table in sources.values() if isinstance(table, dict)]
    return tuple(
        System(kind, namespace)
        for kind, setting, usual in (
            (RECORD, "patient_namespace", "emr"),
            (CONTACT, "crm_namespace", "crm"),
        )
        for namespace in sorted({str(table.get(setting, usual)) for table in tables} or {usual})
    )


def hashed(home: Home, system: System, typed: str) -> str | None:
    """What stands for a number in the data; None where it can be nobody's."""
    if not typed.strip() or len(typed) > LONGEST_NUMBER:
        return None
    ring = keyring(home)
    door = Door(
        ring.hashing[0],
        patient_namespace=system.namespace,
        crm_namespace=system.namespace,
        placeholders=placeholders(home.folder),
        later=ring.hashing[1:],
    )
    return door.hash(system.kind, typed)


def keeps_timelines(at: People) -> bool:
    """Whether anybody can be looked up in a generation."""
    return not _ask(at, sa.select(_NUMBERS.c.person_id).limit(1)).empty


def find(at: People, number_hash: str) -> int | None:
    """The person to whom a hashed number belongs; None where it is nobody's that is known."""
    found = _ask(at, sa.select(_NUMBERS.c.person_id).where(_NUMBERS.c.number_hash == number_hash))
    return None if found.empty else int(found["person_id"].iloc[0])


def profile(at: People, person: int) -> Profile | None:
    """What the record says of a person; None where a merge or a refresh took the number away."""
    found = _ask(at, sa.select(*_PROFILES.c).where(_PROFILES.c.person_id == person))
    if found.empty:
        return None
    row: dict[str, Any] = {str(name): value for name, value in found.iloc[0].items()}
    return Profile(
        tuple(source for source in str(row["sources"]).split("|") if source),
        bool(row["is_patient"]),
        bool(row["deceased"]),
        None if pd.isna(row["birth_year"]) else int(row["birth_year"]),
        *(_text(row[name]) for name in ("sex", "zip3", "language")),
    )


def events(at: People, person: int) -> pd.DataFrame:
    """Everything that happened to a person, in order; a row for each stage of a lead or a deal.

    Columns: happened_at and other_at (instants in UTC), kind, what, source, channel, campaign,
    service_line, location, number, out_of, amount (of `currency`), detail, conversion_id.
    """
    order = (_EVENTS.c.happened_at, _EVENTS.c.kind, _EVENTS.c.tie)
    found = _ask(at, sa.select(*_EVENTS.c).where(_EVENTS.c.person_id == person).order_by(*order))
    for name in ("happened_at", "other_at"):
        found[name] = pd.to_datetime(found[name], utc=True)
    found["amount"] = found.pop("amount_micros").astype("float64") / MICROS
    found = found.astype({"number": "float64", "out_of": "float64", "conversion_id": "Int64"})
    return _staged(found.drop(columns=["person_id", "tie"]))


def credited(at: People, conversions: Sequence[int], model: str) -> pd.DataFrame:
    """The touches before some conversions in order, and the share that a model gives each.

    Columns: conversion_id, step, days_before, channel, campaign, share. Empty where journeys are
    not kept.
    """
    names = ("conversion_id", "step", "days_before", "channel", "campaign")
    statement = (
        sa.select(*(_CREDIT.c[name] for name in names), _CREDIT.c[f"{model}_share"].label("share"))
        .where(_CREDIT.c.conversion_id.in_([int(number) for number in conversions]))
        .order_by(_CREDIT.c.conversion_id, _CREDIT.c.step)
    )
    return _ask(at, statement).astype({"share": "float64", "days_before": "float64"})


def keeps_credit(at: People) -> bool:
    """Whether journeys are kept; the settings may say that none is."""
    return not _ask(at, sa.select(_CREDIT.c.conversion_id).limit(1)).empty


def richest(at: People, hashes: Sequence[str], most: int) -> list[str]:
    """Of some hashed numbers, those of people to whom the most kinds of things happened."""
    told = (
        sa.select(_NUMBERS.c.number_hash)
        .join_from(_NUMBERS, _EVENTS, _NUMBERS.c.person_id == _EVENTS.c.person_id)
        .where(_NUMBERS.c.number_hash.in_(list(hashes)))
        .group_by(_NUMBERS.c.number_hash)
        .order_by(
            sa.func.count(sa.distinct(_EVENTS.c.kind)).desc(),
            sa.func.count().desc(),
            _NUMBERS.c.number_hash,
        )
        .limit(most)
    )
    return [str(value) for value in _ask(at, told)["number_hash"]]


def _ask(at: People, statement: sa.Executable) -> pd.DataFrame:
    try:
        return at.ask(statement)
    except ProgrammingError:
        # An earlier version's generation has no such table; what the engine says quotes a hash.
        raise StorageError(SENTENCE) from None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _staged(found: pd.DataFrame) -> pd.DataFrame:
    """The same with a row for each dated stage that the CRM told in one text."""
    told = found[found["kind"].isin(["lead", "deal"]) & (found["detail"] != "")]
    rows = [
        {**row, "happened_at": when, "kind": "stage", "what": stage, "detail": row["kind"]}
        for row in told.to_dict("records")
        for stage, when in _stages(str(row["detail"]))
    ]
    found.loc[told.index, "detail"] = ""
    if not rows:
        return found
    more = pd.DataFrame(rows, columns=found.columns)
    for name in ("happened_at", "other_at"):
        more[name] = pd.to_datetime(more[name], utc=True)
    more = more.astype(found.dtypes)
    return pd.concat([found, more]).sort_values("happened_at", kind="stable", ignore_index=True)


def _stages(told: str) -> list[tuple[str, pd.Timestamp]]:
    """Stages and their instants out of the CRM's JSON; what cannot be read is left out."""
    try:
        every = json.loads(told)
    except ValueError:
        return []
    stages = []
    for stage, when in every.items() if isinstance(every, dict) else ():
        try:
            moment = datetime.fromisoformat(str(when))
        except ValueError:
            continue
        if moment.tzinfo is not None:
            stages.append((str(stage), pd.Timestamp(moment).tz_convert("UTC")))
    return stages
