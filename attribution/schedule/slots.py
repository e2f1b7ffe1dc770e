"""When something is due: a day and a time of a time zone, once a week or once a month.

A slot belongs to a day of the calendar, so it comes once whatever the clocks do: a time that the
clocks jump over is the same while later, one that comes twice is its first coming.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Slots:
    """Every week on a day of `DAYS`, or every month on a day from 1 to 28."""

    day: str | int
    at: time
    zone: ZoneInfo

    def on(self, day: date) -> datetime:
        """The instant, in UTC, that this time has on a day."""
        # With fold 0 a time that is jumped over has the offset from before the jump.
        return datetime.combine(day, self.at, self.zone).astimezone(UTC)

    def local(self, slot: datetime) -> date:
        """The day of a slot, in its own zone."""
        return slot.astimezone(self.zone).date()

    def last(self, now: datetime) -> datetime:
        """The newest slot that is not after `now`."""
        return next(self._back(now))

    def next(self, now: datetime) -> datetime:
        """The first slot after `now`."""
        day = now.astimezone(self.zone).date() - _DAY
        while True:
            if self._falls_on(day) and self.on(day) > now:
                return self.on(day)
            day += _DAY

    def since(self, after: datetime, now: datetime, most: int) -> list[datetime]:
        """The slots after one instant up to another, oldest first; at most the newest so many."""
        found: list[datetime] = []
        for slot in self._back(now):
            if slot <= after or len(found) == most:
                break
            found.append(slot)
        return found[::-1]

    @property
    def words(self) -> str:
        """When it comes, as a person says it."""
        when = f"the {self.day}. of a month" if isinstance(self.day, int) else self.day.title()
        return f"{when}, {self.at:%H:%M}"

    def _back(self, now: datetime) -> Iterator[datetime]:
        day = now.astimezone(self.zone).date() + _DAY
        while True:
            if self._falls_on(day) and self.on(day) <= now:
                yield self.on(day)
            day -= _DAY

    def _falls_on(self, day: date) -> bool:
        if isinstance(self.day, int):
            return day.day == self.day
        return DAYS[day.weekday()] == self.day
