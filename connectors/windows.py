"""Which days to read: months at first, then what is new and what the source may still restate."""

from collections.abc import Iterator
from datetime import date, timedelta

from connectors.source import Cursor, Window

DAY = timedelta(days=1)


def open_windows(first_day: date, last_day: date, settled: str | None) -> Iterator[Window]:
    """Months, or parts of months, from the day after `settled` (or `first_day`) to `last_day`.

    `settled` is the cursor: the last day that the source will not restate any more.
    """
    since = first_day
    if settled is not None:
        since = max(first_day, date.fromisoformat(settled) + DAY)
    while since <= last_day:
        month_end = (since.replace(day=1) + timedelta(days=31)).replace(day=1) - DAY
        until = min(month_end, last_day)
        yield Window(since, until)
        since = until + DAY


def settled_by(window: Window, last_day: date, restated_days: int) -> Cursor:
    """The cursor once `window` is loaded: its end, or the last day past restatement if earlier."""
    return Cursor(min(window.until, last_day - timedelta(days=restated_days)).isoformat())


def halves(window: Window) -> tuple[Window, Window]:
    """A window of two days or more, cut in two."""
    middle = window.since + (window.until - window.since) // 2
    return Window(window.since, middle), Window(middle + DAY, window.until)


def single_days(window: Window) -> Iterator[Window]:
    """Every day of a window as a window of its own."""
    for number in range((window.until - window.since).days + 1):
        day = window.since + number * DAY
        yield Window(day, day)
