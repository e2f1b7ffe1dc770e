"""What a cursor of Microsoft Ads holds: the last settled day, and reports that are being made.

The numbers of reports that were asked for are committed before they are waited for. A refresh that
is killed, or that finds them slow, leaves them to the next one.
"""

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from connectors.source import Cursor, Window

# Microsoft keeps a report for two days after it was asked for.
KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Order:
    """Reports of one window that were asked for, by their kind."""

    window: Window
    last_day: date  # the last whole day when they were asked for
    asked_at: datetime
    jobs: dict[str, str]

    def fresh(self, now: datetime) -> bool:
        """Whether Microsoft still has them."""
        return now - self.asked_at < KEPT


@dataclass(frozen=True, slots=True)
class State:
    """A cursor, read."""

    settled: str | None = None
    order: Order | None = None


def state(cursor: str | None) -> State:
    """What a cursor says."""
    if cursor is None or not cursor.startswith("{"):
        return State(cursor)
    said = json.loads(cursor)
    window = Window(date.fromisoformat(said["since"]), date.fromisoformat(said["until"]))
    last_day = date.fromisoformat(said["last_day"])
    asked_at = datetime.fromisoformat(said["asked_at"])
    return State(said["settled"], Order(window, last_day, asked_at, said["jobs"]))


def cursor(settled: str | None, order: Order) -> Cursor:
    """The cursor while reports are being made."""
    said = {
        "settled": settled,
        "since": order.window.since.isoformat(),
        "until": order.window.until.isoformat(),
        "last_day": order.last_day.isoformat(),
        "asked_at": order.asked_at.isoformat(),
        "jobs": order.jobs,
    }
    return Cursor(json.dumps(said, sort_keys=True))
