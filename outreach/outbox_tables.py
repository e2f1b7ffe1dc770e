"""The outbox's tables and rows, and how one of an earlier version or key is brought up."""

import sqlite3
from dataclasses import dataclass

from attribution.keys import Keyring
from attribution.rehashing import bring_up_table, note_key

STATES = ("planned", "approved", "sending", "sent", "failed", "refused", "in_doubt")
# Those that count for frequency caps: it left, or may have, or is about to.
LEFT = ("sending", "sent", "in_doubt")
COUNTED = ("planned", "approved", *LEFT)
COLUMNS = (
    "key", "flow", "version", "person_id", "identifier", "owner", "source", "occasion", "channel",
    "zone", "fields", "state", "reason", "planned_at", "next_at", "tries", "at", "way", "mark",
    "receipt", "purpose",
)  # fmt: skip
_TABLES = """
create table if not exists message (
    key text primary key, flow text not null, version text not null, person_id integer not null,
    identifier text not null, owner text not null, source text not null, occasion text not null,
    channel text not null, zone text not null, fields text not null, state text not null,
    reason text not null, planned_at text not null, next_at text not null,
    tries integer not null, at text not null, way text not null default '',
    mark text not null default '', receipt text not null default '',
    purpose text not null default ''
) without rowid;
create index if not exists message_state on message (flow, state);
create index if not exists message_owner on message (owner);
create table if not exists assignment (
    flow text not null, person_id integer not null, identifier text not null, owner text not null,
    arm text not null, channel text not null, assigned_at text not null,
    purpose text not null default '',
    primary key (flow, person_id)
) without rowid;
create table if not exists capped (
    flow text not null, day text not null, person_id integer not null, identifier text not null,
    owner text not null, channel text not null, at text not null,
    primary key (flow, day, person_id)
) without rowid;
create table if not exists approval (
    flow text not null, version text not null, approver text not null, at text not null,
    primary key (flow, version)
);
create table if not exists stop (
    person_id integer, identifier text, channel text not null, purpose text not null,
    hard integer not null, at text not null, how text not null
);
create table if not exists heard (
    source text not null, cursor text not null, value text not null, primary key (source, cursor)
) without rowid;
"""
# Columns that outboxes of earlier versions lack.
_LATER = {"message": ("way", "mark", "receipt", "purpose"), "assignment": ("purpose",)}
# What is hashed, and follows the hashing key when another takes over.
_HASHED = {"message": ("identifier", "owner"), "assignment": ("identifier", "owner"),
           "capped": ("identifier", "owner"),
           "stop": ("identifier",)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """A message's next state. `untried` takes back that it was tried: nothing of it left."""

    key: str
    state: str
    reason: str = ""
    retry_at: str = ""
    receipt: str = ""
    untried: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """A refusal that reached us directly: of a person or an address, for a purpose or for all.

    `hard`: the address is not there any more. `at` is when they said so, if not now.
    """

    identifier: str | None
    channel: str
    purpose: str = ""
    hard: bool = False
    how: str = "told us"
    person_id: int | None = None
    at: str = ""


def prepare(connection: sqlite3.Connection, ring: Keyring) -> None:
    """The tables, with the columns of this version and every hash under the newest key.

    Within a transaction of the caller's.
    """
    for statement in _TABLES.split(";\n"):
        connection.execute(statement)
    for table, names in _LATER.items():
        known = {row[1] for row in connection.execute(f"pragma table_info({table})")}
        for name in (name for name in names if name not in known):
            connection.execute(f"alter table {table} add column {name} text not null default ''")
    for table, columns in _HASHED.items():
        bring_up_table(connection, ring, table, columns)
    note_key(connection, ring.names[-1])
