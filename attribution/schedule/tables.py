"""The tables that the schedule keeps in the ledger, and their rows as values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Integer, MetaData, Table, Text

from attribution.ledger_tables import keys, numbered, texts

OPEN, ENDED = ("held", "sending"), ("sent", "failed", "skipped")
METADATA = MetaData()
PLAN = Table(  # those made on the page; those of the configuration are noted by name alone
    "report_plan",
    METADATA,
    *keys("name"),
    Column("told", Text),  # JSON, as its table in the configuration would say it; null: it does
    Column("since", Text, nullable=False),  # nothing is due before
    *texts("actor"),
    Column("held_by", Text, nullable=False, default=""),
)
SLOTS = Table(  # when each plan was due when it was last looked at; "": nobody planned it
    "report_slots",
    METADATA,
    *keys("name"),
    *texts("slots"),
)
SEND = Table(
    "report_send",
    METADATA,
    *keys("key"),
    *texts("name", "due_at", "state"),
    Column("reason", Text, nullable=False, default=""),
    *texts("at", "actor"),
    Column("forced_by", Text, nullable=False, default=""),  # who said that it must leave now
    Column("begun_at", Text),
    Column("generation", Integer),
    Column("file_name", Text, nullable=False, default=""),
    Column("sha256", Text, nullable=False, default=""),
    Column("manifest", Text, nullable=False, default="{}"),
    Column("told", Text, nullable=False, default="{}"),  # the plan as it was when it was made
)
DELIVERY = Table(
    "report_delivery",
    METADATA,
    *keys("key", "place"),
    Column("way", Text, nullable=False),  # email folder
    Column("state", Text, nullable=False),  # waiting sending sent failed in_doubt
    Column("reason", Text, nullable=False, default=""),
    Column("tries", Integer, nullable=False, default=0),
    *texts("at", "next_at"),
)
INCIDENT = Table(
    "incident",
    METADATA,
    numbered(),
    *texts("subject", "sentence"),
    Column("owner", Text, nullable=False, default=""),
    *texts("opened_at"),
    Column("told", Text, nullable=False, default="[]"),  # JSON: who has been told
    Column("closed_at", Text),
    Column("closed_told", Text, nullable=False, default="[]"),
)
BEAT = Table(  # the schedule's own signs of life, and what it tried
    "schedule_beat",
    METADATA,
    *keys("what"),
    *texts("at"),
    Column("value", Text, nullable=False, default=""),
)


@dataclass(frozen=True, slots=True)
class Send:
    """One report of one period."""

    key: str
    name: str
    due: datetime
    state: str
    reason: str
    actor: str  # "schedule" where it was due by plan, else who asked for it
    forced_by: str
    begun: datetime | None
    generation: int | None
    file_name: str
    sha256: str
    manifest: Mapping[str, Any]
    told: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One send to one place."""

    key: str
    place: str
    way: str
    state: str
    reason: str
    tries: int
    next_at: datetime


def stamp(at: datetime) -> str:
    """An instant as the ledger writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def send_of(row: Mapping[str, Any]) -> Send:
    """A send as its row says."""
    return Send(
        row["key"],
        row["name"],
        datetime.fromisoformat(row["due_at"]),
        row["state"],
        row["reason"],
        row["actor"],
        row["forced_by"],
        datetime.fromisoformat(row["begun_at"]) if row["begun_at"] else None,
        row["generation"],
        row["file_name"],
        row["sha256"],
        json.loads(row["manifest"]),
        json.loads(row["told"]),
    )
