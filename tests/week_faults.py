"""What weeks of a home folder are lived with: a clock of their own, and random faults."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from clocks import told

from attribution import ledger as ledgers
from attribution import ledger_file, versions

SOURCES = ("ads", "emr", "crm")


class Clock:
    """The time of day, as whoever holds it says."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        # No two things happen at once.
        self.now += timedelta(milliseconds=1)
        return self.now


@contextmanager
def told_by(clock: Clock) -> Iterator[None]:
    """Let the ledger write what this clock says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledgers, "datetime", told(clock))
        # Nobody pulls the plug here: half of the time would go into waiting for the disk.
        durable = ledger_file._durable

        def quick(connection: Any, record: Any) -> None:
            durable(connection, record)
            connection.execute("pragma synchronous=off")

        patch.setattr(ledger_file, "_durable", quick)
        # A generation of these weeks holds what its sources said and no marts.
        patch.setattr(versions, "fits", lambda *_, **__: True)
        yield


@dataclass
class Faults:
    """What goes wrong when: days of the sources, of the computer, of the mail server."""

    seed: int
    weeks: int
    start: datetime
    dead: dict[str, list[tuple[datetime, datetime]]] = field(default_factory=dict)
    off: list[tuple[datetime, datetime]] = field(default_factory=list)
    silent: list[tuple[datetime, datetime]] = field(default_factory=list)  # the mail server

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        for week in range(self.weeks):
            for name in SOURCES:
                if self.rng.random() < 0.12:
                    self.dead.setdefault(name, []).append(self._span(week, 0, 9 * 24))
            if self.rng.random() < 0.15:
                self.off.append(self._span(week, -30, 10 * 24))
            if self.rng.random() < 0.15:
                self.silent.append(self._span(week, -3, 60))

    def _span(self, week: int, earliest: int, longest: int) -> tuple[datetime, datetime]:
        begin = self.start + timedelta(weeks=week, hours=self.rng.randint(earliest, 30))
        return begin, begin + timedelta(hours=self.rng.randint(2, longest))

    def dead_at(self, now: datetime) -> set[str]:
        return {name for name, spans in self.dead.items() if within(now, spans)}

    def fate(self) -> str:
        """How the next refresh goes."""
        return self.rng.choices(["well", "killed", "full", "slow"], [70, 12, 10, 8])[0]


def within(now: datetime, spans: list[tuple[datetime, datetime]]) -> bool:
    """Whether a time lies in one of some spans."""
    return any(begin <= now < end for begin, end in spans)
