"""Back-filling: days of one source are read again, though it has settled them.

The source is told that it had come only as far as the day before; what it then reads is cut down to
what touches the days that were asked for, and its real cursor stays where it was. Sources that tell
of changes and not of days (CRMs, medical records) have no days to read again.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial

from attribution.errors import BadInput
from attribution.settings import Settings
from attribution.source_settings import SourceSettings
from connectors.source import Cursor, Item, Slice, Window


@dataclass(frozen=True, slots=True)
class Part:
    """What part of a refresh is asked for: one source, and of it some days or all that is due."""

    source: str
    window: Window | None = None

    @property
    def sentence(self) -> str:
        """What it is, for the books."""
        if self.window is None:
            return f"Only {self.source}."
        return f"Only {self.source}, from {self.window.since} to {self.window.until}."


def part_of(
    settings: Settings, source: str | None, since: date | None, until: date | None, today: date
) -> Part | None:
    """What was asked for, checked; None for a whole refresh. Raises BadInput."""
    if source is None:
        if since or until:
            raise BadInput("Days are read again of one source at a time. Name it: --source NAME.")
        return None
    names = [each.name for each in settings.sources]
    if source not in names:
        raise BadInput(f"There is no source {source!r}. There are: {', '.join(names) or 'none'}.")
    if since is None and until is None:
        return Part(source)
    if since is None or until is None:
        raise BadInput("Say from which day to which: --since 2026-01-05 --until 2026-01-11.")
    if not since <= until <= today:
        raise BadInput("The first day must not be after the last, and the last not after today.")
    return Part(source, Window(since, until))


def rewound(cursors: Mapping[str, str], window: Window) -> dict[str, str]:
    """The cursors as they were when only the days before the window were settled.

    One that tells of reports that are being made goes back too, without them: they are of other
    days.
    """
    before = (window.since - timedelta(days=1)).isoformat()
    return {
        key: before if _is_day(value) or _awaits(value) else value for key, value in cursors.items()
    }


def within(slices: Iterable[Slice], window: Window) -> Iterator[Slice]:
    """The slices that touch the window; none of them moves the source's cursor."""
    for piece in slices:
        read = piece.window or piece.asked
        if read is not None and read.since <= window.until and read.until >= window.since:
            yield replace(piece, read=partial(_without_cursor, piece.read))


def settled_through(cursors: Mapping[str, str], read: AbstractSet[str]) -> date | None:
    """The last day that no cursor of a source will have read again; None where none is a day.

    `read` are the cursors of days that are read: one of an account that was taken out of the
    settings stands still for ever, and one of what is foretold is ahead.
    """
    days = [date.fromisoformat(v) for key, v in cursors.items() if key in read and _is_day(v)]
    return min(days, default=None)


def nothing_there(source: SourceSettings, window: Window) -> str:
    """What to say where not one slice was of these days."""
    return (
        f"{source.name} has nothing that is read by days from {window.since} to {window.until}: "
        "it tells of changes since the last refresh, or these days are past what it keeps. "
        "Nothing of it was changed."
    )


def _without_cursor(read: Callable[[], Iterable[Item]]) -> Iterator[Item]:
    return (item for item in read() if not isinstance(item, Cursor))


def _awaits(value: str) -> bool:
    """Whether a cursor tells of reports that are being made (`microsoft_ads_orders`)."""
    try:
        said = json.loads(value)
    except ValueError:
        return False
    return isinstance(said, dict) and "settled" in said


def _is_day(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return len(value) == len("2026-01-05")
