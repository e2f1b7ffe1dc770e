"""The outbox: every message that was ever planned, and what became of it. SQLite, made to last.

    planned -> approved -> sending -> sent
                  ^           |-> approved (deferred), failed, in_doubt
    planned, approved -> refused, with the reason

A message is `sending` before the first byte leaves, and that is durable; so after a kill nothing
that may have left looks as if it had not. `way` says by which way, `mark` is a keyed hash of
address and text by which what left is found again, `receipt` what the other side calls it. `key`
stands for person, flow and occasion: there is never a second row for them. `purpose` is what the
flow was for when the row was planned. A person who was held out has a row in `assignment` and none
here.
"""

import fcntl
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from attribution.ledger import now
from attribution.paths import Home
from outreach.outbox_file import OutboxFile
from outreach.outbox_tables import COLUMNS, COUNTED, LEFT, Change, Stop

__all__ = ["COUNTED", "LEFT", "Change", "Outbox", "Stop", "only_sender"]

# What is told anew of a message that waits.
_ANEW = (
    *("version", "person_id", "identifier", "owner", "source", "channel", "zone", "fields"),
    "purpose",
)
_STOPPED = pa.schema(
    [
        ("person_id", pa.int64()),
        ("identifier", pa.string()),
        ("channel", pa.string()),
        ("purpose", pa.string()),
        ("since", pa.timestamp("us", tz="UTC")),
        ("hard", pa.bool_()),
    ]
)
# SQLite has neither instants nor flags.
_STORED = pa.schema(
    [
        field.with_type({"since": pa.string(), "hard": pa.int64()}.get(field.name, field.type))
        for field in _STOPPED
    ]
)


class Outbox(OutboxFile):
    """The messages of one home folder, the approvals and the refusals."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self._stops = 0

    def plan(self, flow: str, version: str, rows: Iterable[Sequence[object]]) -> int:
        """Plan a flow: messages in the order of COLUMNS; returns how many are new.

        What waits is told anew, and taken back where it is not planned any more: an appointment
        was moved or called off, a bill was paid. What was refused may be allowed by now. All that
        left, or may have, stays as it is.
        """
        marks = ", ".join("?" * len(COLUMNS))
        anew = ", ".join(f"{name} = excluded.{name}" for name in _ANEW)
        with self.transaction() as connection:
            connection.execute("create temp table if not exists wanted (key text primary key)")
            connection.execute("delete from wanted")
            connection.execute("update message set state = 'planned' where flow = ? and version "
                               "<> ? and state = 'approved'", (flow, version))  # fmt: skip
            (before,) = connection.execute("select count(*) from message").fetchone()
            for row in rows:
                connection.execute("insert or ignore into wanted values (?)", row[:1])
                connection.execute(
                    f"insert into message values ({marks}) on conflict (key) do update set {anew}, "
                    "state = case state when 'refused' then 'planned' else state end "
                    "where state in ('planned', 'approved', 'refused')",
                    row,
                )
            (after,) = connection.execute("select count(*) from message").fetchone()
            connection.execute(
                "delete from message where flow = ? and state in ('planned', 'approved') "
                "and key not in (select key from wanted)",
                (flow,),
            )
            return int(after - before)

    def assign(self, rows: Iterable[Sequence[object]]) -> None:
        """Remember who was treated and who was held out; the first time stands."""
        with self.transaction() as connection:
            connection.executemany(
                "insert or ignore into assignment values (?, ?, ?, ?, ?, ?, ?, ?)", rows
            )

    def begun(self, flow: str) -> bool:
        """Whether anybody was ever chosen by a flow: written to, handed on or held out."""
        found = self._connection.execute(
            "select 1 from assignment where lower(flow) = lower(?) limit 1", (flow,)
        )
        return found.fetchone() is not None

    def set_aside(self, flow: str, at: str, rows: Iterable[Sequence[object]]) -> None:
        """Remember whom a plan left out for the frequency cap; once a day for a person and flow.

        A row is person, address, record and channel, as `assign` has them.
        """
        with self.transaction() as connection:
            connection.executemany(
                "insert or ignore into capped values (?, ?, ?, ?, ?, ?, ?)",
                ((flow, at[:10], *row, at) for row in rows),
            )

    def without_purpose(self) -> list[str]:
        """The flows of rows that an earlier version wrote, which did not keep what they are for."""
        rows = self._connection.execute(
            "select flow from message where purpose = '' union "
            "select flow from assignment where purpose = '' order by flow"
        )
        return [str(flow) for (flow,) in rows]

    def keep_purposes(self, of: Mapping[str, str]) -> None:
        """Keep what such rows are for, by flow: its file may be gone one day."""
        with self.transaction() as connection:
            for table in ("message", "assignment"):
                connection.executemany(
                    f"update {table} set purpose = ? where flow = ? and purpose = ''",
                    [(purpose, flow) for flow, purpose in of.items()],
                )

    def approve(self, flow: str, version: str, approver: str) -> None:
        """Remember that somebody who may approve it did; until the file changes."""
        with self.transaction() as connection:
            connection.execute(
                "insert or ignore into approval values (?, ?, ?, ?)",
                (flow, version, approver, now()),
            )

    def approved(self, flow: str, version: str) -> bool:
        """Whether exactly this version of a flow is approved."""
        found = self._connection.execute(
            "select 1 from approval where flow = ? and version = ?", (flow, version)
        )
        return found.fetchone() is not None

    def approvals(self, flow: str) -> list[str]:
        """The versions of a flow that are approved."""
        rows = self._connection.execute("select version from approval where flow = ?", (flow,))
        return [str(version) for (version,) in rows]

    def withdraw(self, flow: str) -> int:
        """Take every approval of a flow back; how many messages were waiting to leave.

        What waits is only planned again, so a sender that is at work begins none of it.
        """
        with self.transaction() as connection:
            connection.execute("delete from approval where flow = ?", (flow,))
            return connection.execute(
                "update message set state = 'planned', at = ? where flow = ? "
                "and state = 'approved'",
                (now(), flow),
            ).rowcount

    def release(self, flow: str, version: str) -> int:
        """Let planned messages go out, if their version is approved; how many those are."""
        with self.transaction() as connection:
            done = connection.execute(
                "update message set state = 'approved', at = ?1 where flow = ?2 and version = ?3 "
                "and state = 'planned' "
                "and exists (select 1 from approval where flow = ?2 and version = ?3)",
                (now(), flow, version),
            )
            return done.rowcount

    def waiting(
        self, flow: str, version: str, zones: Sequence[str], at: str, limit: int
    ) -> list[dict[str, Any]]:
        """Messages that may leave now, from zones where it is not quiet.

        None where the approval was withdrawn meanwhile.
        """
        if not self.approved(flow, version):
            return []
        marks = ", ".join("?" * len(zones))
        return self.rows(
            f"select * from message where flow = ? and version = ? and state = 'approved' "
            f"and next_at <= ? and zone in ({marks}) order by next_at, key limit ?",
            (flow, version, at, *zones, limit),
        )

    def move(self, changes: Iterable[Change]) -> None:
        """Put messages into other states, durably.

        What is said in a message is dropped as soon as it needs not be said again.
        """
        with self.transaction() as connection:
            _move(connection, changes)

    def begin(
        self,
        letters: Sequence[tuple[str, str]],
        way: str,
        changes: Iterable[Change] = (),
        *,
        seen: tuple[int, int] | None = None,
    ) -> bool:
        """Begin to send some letters (key, mark) by a way, and note what became of earlier ones.

        Both are one transaction: a disk is waited for once a message. Nothing is begun, and false
        returned, where one of them does not wait any more, or anything was written since `seen`
        (`written`): it may be a refusal, a person
        who was forgotten, a flow that was planned anew. So a refusal that is there before a message
        begins is never followed by that message.
        """
        at = now()
        with self.transaction() as connection:
            _move(connection, changes)
            if seen is not None and self.written() != seen:
                return False
            if not self._wait(key for key, _mark in letters):
                return False
            connection.executemany(
                "update message set state = 'sending', tries = tries + 1, at = ?, way = ?, "
                "mark = ? where key = ?",
                [(at, way, mark, key) for key, mark in letters],
            )
            return True

    def _wait(self, keys: Iterable[str]) -> bool:
        """Whether all of these messages still wait to be sent."""
        asked = list(keys)
        marks = ", ".join("?" * len(asked))
        found = self._connection.execute(
            f"select count(*) from message where state = 'approved' and key in ({marks})", asked
        )
        return int(found.fetchone()[0]) == len(asked)

    def written(self) -> tuple[int, int]:
        """A number that changes when others write to the outbox, or a refusal is remembered."""
        version = self._connection.execute("pragma data_version").fetchone()[0]
        return int(version), self._stops

    def learned(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """What became later of messages (key, state, reason) that were sent.

        When they left stays as it was.
        """
        with self.transaction() as connection:
            connection.executemany(
                "update message set state = ?, reason = ? where key = ? and state = 'sent'",
                [(state, reason, key) for key, state, reason in rows],
            )

    def taken_back(self, rows: Iterable[tuple[str, str]]) -> None:
        """Whom another system let go of again (key, reason); that they were told stays true."""
        with self.transaction() as connection:
            connection.executemany(
                "update message set reason = ?2 where key = ?1", [(k, why) for k, why in rows]
            )

    def stop(self, rows: Iterable[Stop]) -> int:
        """Remember refusals; how many were not known already."""
        columns = "person_id, identifier, channel, purpose, hard"
        with self.transaction() as connection:
            before = connection.total_changes
            connection.executemany(
                f"insert into stop ({columns}, at, how) select ?1, ?2, ?3, ?4, ?5, ?6, ?7 "
                "where not exists (select 1 from stop where person_id is ?1 and identifier is ?2 "
                "and channel = ?3 and purpose = ?4 and hard = ?5 and at >= ?6)",
                [(s.person_id, s.identifier, s.channel, s.purpose, int(s.hard), s.at or now(),
                  s.how) for s in rows],
            )  # fmt: skip
            new = connection.total_changes - before
        self._stops += new
        return new

    def stopped(self) -> pa.Table:
        """All refusals that reached us directly, with the columns that consent asks for."""
        sql = "select person_id, identifier, channel, purpose, at, hard from stop"
        return self.table(sql, (), _STORED).cast(_STOPPED)

    def cursors(self, source: str) -> dict[str, str]:
        """How far a source has been listened to."""
        rows = self._connection.execute(
            "select cursor, value from heard where source = ?", (source,)
        )
        return dict(rows.fetchall())

    def keep_cursor(self, source: str, cursor: str, value: str) -> None:
        """Remember how far a source has been listened to."""
        with self.transaction() as connection:
            connection.execute(
                "insert or replace into heard values (?, ?, ?)", (source, cursor, value)
            )

    def counts(self, flow: str) -> Mapping[str, int]:
        """How many messages of a flow are in each state."""
        rows = self._connection.execute(
            "select state, count(*) from message where flow = ? group by state", (flow,)
        )
        return dict(rows.fetchall())

    def reasons(self, flow: str) -> list[tuple[str, str, int]]:
        """State, reason and number of a flow's messages that did not simply go out."""
        rows = self._connection.execute(
            "select state, reason, count(*) from message where flow = ? and reason <> '' "
            "group by 1, 2 order by 1, 2",
            (flow,),
        )
        return rows.fetchall()


@contextmanager
def only_sender(home: Home) -> Iterator[bool]:
    """Hold the sender's lock for a block; false where another process holds it."""
    with (home.folder / "outreach.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _move(connection: sqlite3.Connection, changes: Iterable[Change]) -> None:
    at = now()
    connection.executemany(
        # When a doubt began is when it was being sent, not when it was found; and what had left,
        # left then, whenever that is known.
        "update message set state = ?1, reason = ?2, next_at = ?3, tries = tries - ?4, "
        "receipt = case when ?5 = '' then receipt else ?5 end, "
        "at = case when ?1 = 'in_doubt' or state = 'in_doubt' and ?1 = 'sent' then at else ?6 end, "
        "fields = case when ?1 in ('sent', 'failed', 'refused') then '' else fields end "
        "where key = ?7",
        [
            (c.state, c.reason, c.retry_at or at, int(c.untried), c.receipt, at, c.key)
            for c in changes
        ],
    )
