"""The books of the schedule, in the ledger: what was to be sent, to whom it went, and incidents.

A send is one report of one period. Its state is one of `held` (it waits), `sending` (a file is
made, and some who are to get it may have it), `sent`, `failed`, `skipped`; the last three are for
good. A delivery is one send to one place; it moves from `waiting` to `sending` before the first
byte leaves, so that whoever was killed in between leaves it in doubt and never sent twice.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from attribution.schedule.incidents import Incidents
from attribution.schedule.tables import (
    DELIVERY,
    ENDED,
    OPEN,
    PLAN,
    SEND,
    SLOTS,
    Delivery,
    Send,
    send_of,
    stamp,
)

_AHEAD = "schedule, by a clock that ran ahead"


class Books(Incidents):
    """The ledger of one home folder, with what the schedule keeps in it."""

    # Plans.

    def note_plan(self, name: str, now: datetime) -> None:
        """Remember since when a plan of the configuration is known."""
        row = {"name": name, "since": stamp(now), "actor": "caretrace.toml"}
        with self._write() as connection:
            connection.execute(upsert(PLAN).values(row).on_conflict_do_nothing())

    def slots(self) -> dict[str, str]:
        """When each plan was due, in words of its settings, when that was last noted."""
        return {row["name"]: row["slots"] for row in self._rows(select(SLOTS))}

    def note_slots(self, name: str, slots: str, since: datetime | None) -> None:
        """Remember when a plan is due now; where that is another time, nothing before `since`."""
        row = {"slots": slots}
        with self._write() as connection:
            statement = upsert(SLOTS).values(name=name, **row)
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))
            if since is not None:
                moved = update(PLAN).where(PLAN.c.name == name).values(since=stamp(since))
                connection.execute(moved)

    def keep_plan(self, name: str, told: Mapping[str, Any], actor: str, now: datetime) -> None:
        """Keep a plan that somebody made or changed on the page."""
        row = {"name": name, "told": json.dumps(told, default=str), "actor": actor}
        with self._write() as connection:
            statement = upsert(PLAN).values(**row, since=stamp(now))
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))

    def drop_plan(self, name: str, now: datetime) -> None:
        """Forget a plan; what still waited of it is skipped, what was sent stays in the books."""
        with self._write() as connection:
            connection.execute(delete(PLAN).where(PLAN.c.name == name))
            connection.execute(
                update(SEND)
                .where(SEND.c.name == name, SEND.c.state == "held")
                .values(state="skipped", reason="The schedule was removed.", at=stamp(now))
            )

    def plans(self) -> list[dict[str, Any]]:
        """What is known of every plan: name, told, since, actor, held_by."""
        rows = self._rows(select(PLAN).order_by(PLAN.c.name))
        return [row | {"told": json.loads(row["told"]) if row["told"] else None} for row in rows]

    def hold(self, name: str, actor: str) -> None:
        """Hold what a plan sends, or with no actor let it go again."""
        with self._write() as connection:
            connection.execute(update(PLAN).where(PLAN.c.name == name).values(held_by=actor))

    # Sends.

    def due(self, key: str, name: str, due: datetime, now: datetime, **values: object) -> bool:
        """Write down that a report is due; whether that was new."""
        row: dict[str, object] = {"key": key, "name": name, "due_at": stamp(due), "at": stamp(now)}
        row |= {"state": "held", "actor": "schedule"} | values
        with self._write() as connection:
            done = connection.execute(upsert(SEND).values(row).on_conflict_do_nothing())
            return done.rowcount == 1

    def forget_to_come(self, now: datetime) -> None:
        """Let what a clock that ran ahead took for due be due when its day comes.

        What it has not sent is taken out; what it sent stays, as another clock's.
        """
        to_come = SEND.c.due_at > stamp(now + timedelta(hours=1))  # clocks are set back by seconds
        ours = to_come & (SEND.c.actor == "schedule")
        with self._write() as connection:
            connection.execute(delete(SEND).where(ours, SEND.c.state.in_(("held", "skipped"))))
            connection.execute(
                update(SEND).where(ours, SEND.c.state.in_(("sent", "failed"))).values(actor=_AHEAD)
            )

    def was_ahead(self, key: str) -> bool:
        """Whether a send is one of a clock that ran ahead."""
        return bool(self._rows(select(SEND.c.key).where(SEND.c.key == key, SEND.c.actor == _AHEAD)))

    def newest_due(self, name: str, now: datetime) -> datetime | None:
        """The newest period of a report that the books know, of those that were due by plan.

        Of none that is yet to come, which a clock that ran ahead has written down.
        """
        rows = self._rows(
            select(SEND.c.due_at)
            .where(SEND.c.name == name, SEND.c.actor == "schedule", SEND.c.due_at <= stamp(now))
            .order_by(SEND.c.due_at.desc())
            .limit(1)
        )
        return datetime.fromisoformat(rows[0]["due_at"]) if rows else None

    def move(
        self, key: str, state: str, now: datetime, *, of: Sequence[str] = OPEN, **values: object
    ) -> bool:
        """Give a send its next state, if it still has one of `of`; whether it had."""
        with self._write() as connection:
            done = connection.execute(
                update(SEND)
                .where(SEND.c.key == key, SEND.c.state.in_(of))
                .values(state=state, at=stamp(now), **values)
            )
            return done.rowcount == 1

    def begin(
        self, key: str, places: Sequence[tuple[str, str]], now: datetime, **made: object
    ) -> bool:
        """Turn a held send into one that is sent, with all its deliveries, in one step.

        `places` are (way, place); `made` is what is known of the file.
        """
        at = stamp(now)
        rows = [
            {"key": key, "way": way, "place": place, "state": "waiting", "at": at, "next_at": at}
            for way, place in places
        ]
        with self._write() as connection:
            done = connection.execute(
                update(SEND)
                .where(SEND.c.key == key, SEND.c.state == "held")
                .values(state="sending", at=at, begun_at=at, **made)
            )
            if done.rowcount == 1:
                connection.execute(insert(DELIVERY), rows)
            return done.rowcount == 1

    def open_sends(self) -> list[Send]:
        """What is held or being sent, oldest first."""
        found = select(SEND).where(SEND.c.state.in_(OPEN)).order_by(SEND.c.due_at, SEND.c.key)
        return [send_of(row) for row in self._rows(found)]

    def ended_before(self, at: datetime) -> list[str]:
        """The keys of sends that came to their end before an instant, oldest first."""
        found = select(SEND.c.key).where(SEND.c.state.in_(ENDED), SEND.c.at < stamp(at))
        return [str(row["key"]) for row in self._rows(found.order_by(SEND.c.at))]

    def send(self, key: str) -> Send | None:
        """One send."""
        rows = self._rows(select(SEND).where(SEND.c.key == key))
        return send_of(rows[0]) if rows else None

    def last_sent(self, name: str) -> Send | None:
        """The newest report of a plan that reached anybody, whoever else did not get it."""
        reached = select(DELIVERY.c.key).where(DELIVERY.c.state == "sent")
        rows = self._rows(
            select(SEND)
            .where(SEND.c.name == name, SEND.c.key.in_(reached))
            .order_by(SEND.c.begun_at.desc())
            .limit(1)
        )
        return send_of(rows[0]) if rows else None

    def history(self, limit: int = 200) -> pd.DataFrame:
        """Every send, newest first, with the places that it went to, or why it has not yet."""
        found = self._frame(
            select(SEND).order_by(SEND.c.due_at.desc(), SEND.c.at.desc()).limit(limit)
        )
        places = self._frame(select(DELIVERY).order_by(DELIVERY.c.place))
        said = pd.Series(
            [
                place if state == "sent" else f"{place} ({_stands(state, reason)})"
                for place, state, reason in places[["place", "state", "reason"]].itertuples(False)
            ],
            index=places.index,
            dtype="object",
        )
        # Where nothing was handed over yet, there is no text to take the kind of a column from.
        by_key = {str(key): ", ".join(each) for key, each in said.groupby(places["key"])}
        return found.assign(places=[by_key.get(key, "") for key in found["key"]])

    # Deliveries.

    def deliveries(self, key: str) -> list[Delivery]:
        """Where a send goes, and how far it is."""
        rows = self._rows(select(DELIVERY).where(DELIVERY.c.key == key).order_by(DELIVERY.c.place))
        names = ("key", "place", "way", "state", "reason", "tries")
        return [
            Delivery(
                **{name: row[name] for name in names},
                next_at=datetime.fromisoformat(row["next_at"]),
            )
            for row in rows
        ]

    def deliver(
        self, one: Delivery, state: str, now: datetime, *, of: str, **values: object
    ) -> bool:
        """Give a delivery its next state, if it still has the one of `of`; whether it had."""
        with self._write() as connection:
            done = connection.execute(
                update(DELIVERY)
                .where(
                    DELIVERY.c.key == one.key,
                    DELIVERY.c.place == one.place,
                    DELIVERY.c.state == of,
                )
                .values(state=state, at=stamp(now), **values)
            )
            return done.rowcount == 1

    def doubt(self, now: datetime) -> int:
        """Whatever a process that is gone was handing over: nobody knows; returns how many."""
        with self._write() as connection:
            done = connection.execute(
                update(DELIVERY)
                .where(DELIVERY.c.state == "sending")
                .values(state="in_doubt", at=stamp(now), reason="stopped while it was handed over")
            )
            return done.rowcount


def _stands(state: str, reason: str) -> str:
    """How a delivery that is not done stands, and why."""
    said = state.replace("_", " ")
    return f"{said}: {reason}" if reason else said
