"""The books of what went wrong, who was told, and the schedule's own signs of life."""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, inspect, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from attribution.paths import Home
from attribution.schedule.facts import Runs
from attribution.schedule.tables import BEAT, INCIDENT, METADATA, stamp


class Incidents(Runs):
    """The ledger of one home folder, with what the schedule keeps of incidents."""

    @property
    def home_folder(self) -> Home:
        """The home folder that this is of."""
        return self._home

    def _open(self) -> None:
        super()._open()
        if not METADATA.tables.keys() <= set(inspect(self._engine).get_table_names()):
            with self._write() as connection:
                METADATA.create_all(connection)

    def kept(self) -> bool:
        """Whether the tables are there: an older ledger that can only be read has none."""
        with self._sound():
            return METADATA.tables.keys() <= set(inspect(self._engine).get_table_names())

    def open_incident(self, subject: str, sentence: str, now: datetime, owner: str = "") -> None:
        """Write down what is wrong with a subject; the same again is the same incident."""
        known = select(INCIDENT.c.number).where(
            INCIDENT.c.subject == subject, INCIDENT.c.closed_at.is_(None)
        )
        with self._write() as connection:
            if connection.execute(known).first() is None:
                connection.execute(
                    insert(INCIDENT).values(
                        subject=subject, sentence=sentence, opened_at=stamp(now), owner=owner
                    )
                )

    def close_incident(self, subject: str, now: datetime, *, silent: bool = False) -> None:
        """Write down that a subject is well again; silent where it only became another incident."""
        told: dict[str, str] = {"closed_told": "null"} if silent else {}
        with self._write() as connection:
            connection.execute(
                update(INCIDENT)
                .where(INCIDENT.c.subject == subject, INCIDENT.c.closed_at.is_(None))
                .values(closed_at=stamp(now), **told)
            )

    def incidents(self, *, opened: bool = False, limit: int = 200) -> list[dict[str, Any]]:
        """The newest incidents, or only those that are open."""
        found = select(INCIDENT).order_by(INCIDENT.c.number.desc()).limit(limit)
        return self._rows(found.where(INCIDENT.c.closed_at.is_(None)) if opened else found)

    def note_told(self, number: int, column: str, whom: Collection[str]) -> None:
        """Write down who was told of an incident: column `told`, or `closed_told`."""
        with self._write() as connection:
            connection.execute(
                update(INCIDENT)
                .where(INCIDENT.c.number == number)
                .values({column: json.dumps(sorted(whom))})
            )

    def beat(self, what: str, now: datetime, value: str = "") -> None:
        """Write down when something was last done, and what there is to say of it."""
        row = {"at": stamp(now), "value": value}
        with self._write() as connection:
            statement = upsert(BEAT).values(what=what, **row)
            connection.execute(statement.on_conflict_do_update(index_elements=["what"], set_=row))

    def unbeat(self, what: str) -> None:
        """Take back that something was done."""
        with self._write() as connection:
            connection.execute(delete(BEAT).where(BEAT.c.what == what))

    def beats(self) -> dict[str, tuple[datetime, str]]:
        """When each thing was last done, and what was said of it."""
        rows = self._rows(select(BEAT))
        return {row["what"]: (datetime.fromisoformat(row["at"]), row["value"]) for row in rows}

    def _rows(self, statement: Any) -> list[dict[str, Any]]:
        with self._sound(), self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]
