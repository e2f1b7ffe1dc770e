"""Lift tests on a simulated health system: one channel dark in one place for some weeks.

The same people live those weeks again without the channel, so the difference is exact. To it is
added the chance error that a marketer would meet, who can only compare places before and during
the test; the standard error that is stated is that one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from attribution.demo.draws import Draws
from attribution.demo.folk import folk_of
from attribution.demo.market import LOCATIONS, Calendar, Pause
from attribution.demo.worlds import World, levers_off, live

# Off before counting begins, so that what was seen earlier has faded and bookings have come in.
WASHOUT_WEEKS = 4
KINDS = ("lead", "booked", "kept", "new_patient")
TESTED = (
    "paid_search", "video", "paid_social", "directory", "direct_mail", "offline_media", "display",
    "referral_web",
)  # fmt: skip
COLUMNS = (
    "channel", "kind", "location", "first_day", "last_day", "increment", "standard_error", "note",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GeoTest:
    """A channel that is off in one place; what it costs is counted from `first` to `last`."""

    channel: str
    place: int
    first: int
    last: int

    @property
    def pauses(self) -> tuple[Pause, ...]:
        begins = self.first - WASHOUT_WEEKS
        return tuple(Pause(lever, begins, self.last) for lever in levers_off([self.channel]))


def schedule(calendar: Calendar) -> tuple[GeoTest, ...]:
    """Each channel in two places, once in the middle of the time and once towards its end."""
    length = max(16 * calendar.weeks // 104, 1)
    tests = []
    for number, channel in enumerate(TESTED):
        for turn, begins in enumerate((35, 72)):
            first = begins * calendar.weeks // 104
            place = (number + turn) % len(LOCATIONS)
            tests.append(GeoTest(channel, place, first, first + length - 1))
    return tuple(tests)


def lift_tests(world: World, tests: Sequence[GeoTest] | None = None) -> pd.DataFrame:
    """What these tests, or those of the schedule, would report of channels that are not off."""
    rows = [
        row
        for number, test in enumerate(schedule(world.calendar) if tests is None else tests)
        if not levers_off([test.channel]) <= world.off
        for row in _reported(world, number, test)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def exact_increment(world: World, test: GeoTest) -> dict[str, float]:
    """Conversions that the channel truly brought there in those weeks."""
    people = world.folk.ids[world.folk.place == test.place]
    folk = folk_of(world.seed, people, world.knobs)
    dark = live(
        folk, world.seed, world.calendar, world.off, pauses=test.pauses, record_touches=False
    ).totals(weeks=(test.first, test.last))
    lit = world.totals(people, (test.first, test.last))
    return {kind: lit[kind] - dark[kind] for kind in KINDS}


def _reported(world: World, number: int, test: GeoTest) -> Iterator[tuple[object, ...]]:
    truth, error = exact_increment(world, test), _standard_errors(world, test)
    draws, start = Draws(world.seed + 11, np.array([number])), world.calendar.start
    for stream, kind in enumerate(KINDS):
        chance = float(draws.normal(stream)[0])
        yield (
            test.channel,
            kind,
            LOCATIONS[test.place],
            (start + timedelta(days=7 * test.first)).isoformat(),
            (start + timedelta(days=7 * test.last + 6)).isoformat(),
            round(truth[kind] + error[kind] * chance, 2),
            round(error[kind], 2),
            f"off in {LOCATIONS[test.place]} since {WASHOUT_WEEKS} weeks before",
        )


def _standard_errors(world: World, test: GeoTest) -> dict[str, float]:
    """Of a difference in differences: this place and the others, before and during the test."""
    there = world.folk.place == test.place
    length = test.last - test.first + 1
    before = test.first - WASHOUT_WEEKS - length
    during = (test.first, test.last)
    earlier = (before, before + length - 1)
    counts = [
        world.totals(world.folk.ids[who], weeks)
        for who in (there, ~there)
        for weeks in (during, earlier)
    ]
    return {
        kind: counts[0][kind] * float(np.sqrt(sum(1 / max(count[kind], 1) for count in counts)))
        for kind in KINDS
    }
