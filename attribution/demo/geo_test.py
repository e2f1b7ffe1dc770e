"""The demo's own lift test: paid search is off in one place for some weeks, and what that cost.

The pause is part of the demo's budgets (`Knobs.dark`), so people live it; the same people live
those weeks again with it on, and the difference is the truth.
"""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from attribution.demo.folk import folk_of
from attribution.demo.knobs import Knobs
from attribution.demo.market import LOCATIONS, Calendar
from attribution.demo.worlds import World, live

NAME = "Paid search off in Central"
CHANNEL, KIND, PLACE = "paid_search", "lead", LOCATIONS.index("central")
WASHOUT, WEEKS, AGO = 2, 12, 6  # weeks: not counted, counted, since the test ended
_BEFORE = 60  # weeks that a plan needs
_LEVERS = ("brand", "nonbrand")
DEMO = Knobs(dark=tuple((lever, PLACE, AGO + WEEKS + WASHOUT, AGO + 1) for lever in _LEVERS))


def first_day(calendar: Calendar) -> date:
    """The Monday on which the demo's test begins."""
    return calendar.start + timedelta(weeks=calendar.weeks - AGO - WEEKS - WASHOUT)


def geo_truth(lived: World) -> dict[str, Any]:
    """What the channel would have brought there in the weeks that count; nothing where none was."""
    weeks = lived.calendar.weeks
    if not lived.knobs.dark or weeks < _BEFORE + AGO + WEEKS + WASHOUT:
        return {}
    people = lived.folk.ids[lived.folk.place == PLACE]
    lit = live(
        folk_of(lived.seed, people, replace(lived.knobs, dark=())), lived.seed, lived.calendar,
        lived.off, record_touches=False,
    )  # fmt: skip
    counted = (weeks - AGO - WEEKS, weeks - AGO - 1)
    on, off = lit.totals(weeks=counted), lived.totals(people, counted)
    return {
        "name": NAME,
        "channel": CHANNEL,
        "location": LOCATIONS[PLACE],
        "first_day": first_day(lived.calendar).isoformat(),
        "increment": {kind: round(on[kind] - off[kind], 2) for kind in on},
    }
