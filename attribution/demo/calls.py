"""What the call tracker records: calls to tracked numbers, and to the main line."""

import numpy as np
import pandas as pd

from attribution.demo import names
from attribution.demo.clock import DAY
from attribution.demo.draws import Ints
from attribution.demo.names import Texts
from attribution.demo.web import (
    LINE_NAMES,
    PLACE_NAMES,
    local_time,
    shown_own_number,
    tags_of,
    visit_cookies,
)
from attribution.demo.worlds import TRACKED_CALL, World, ways


def calls(world: World) -> pd.DataFrame:
    """Calls to tracked numbers, and calls of patients to the main line."""
    asked = {n: c[ways(world) == TRACKED_CALL] for n, c in world.inquiries.items()}
    person, week, lever, line = (asked[n] for n in ("person", "week", "lever", "line"))
    draws = world.folk.draws
    cookie = visit_cookies(world, person, week, lever)
    tracked = pd.DataFrame(
        {
            "call_id": names.record_ids("CAL", person, asked["start"]),
            "started_at": local_time(world, asked["minute"]),
            "seconds": (60 + 420 * draws.uniform(128, week, person)).astype(np.int64),
            "answered": True,
            "phone": _phones(world, person),
            "client_id": names.client_ids(np.where(shown_own_number(world, asked), cookie, -1)),
            "first_time_caller": asked["known"] == 0,
            **tags_of(world, lever, person, line, week),
            "tags": np.where(asked["booked"] == 1, "appointment|qualified", "qualified"),
            "service_line": LINE_NAMES[line],
            "location": PLACE_NAMES[world.folk.place[person]],
        }
    )
    table = pd.concat([tracked, _main_line(world)], ignore_index=True)
    return table.sort_values(["started_at", "call_id"], kind="stable", ignore_index=True)


def _main_line(world: World) -> pd.DataFrame:
    visits = world.visits
    drawn = world.folk.draws.uniform(129, visits["number"] + 10, visits["person"])
    share = np.array([0.0, 0.10, 0.7, 0.0, 0.0])[visits["reason"]]
    rows = np.flatnonzero((drawn < share) & (visits["booked_at"] >= 0))
    person, number = visits["person"][rows], visits["number"][rows]
    answered = world.folk.draws.uniform(131, number, person) < 0.86
    length = 40 + 300 * world.folk.draws.uniform(132, number, person)
    day = visits["booked_at"][rows] // DAY * DAY
    minute = np.maximum(day + 400, visits["booked_at"][rows] - 7)
    return pd.DataFrame(
        {
            "call_id": names.record_ids("CAM", person, number),
            "started_at": local_time(world, minute),
            "seconds": np.where(answered, length, 0).astype(np.int64),
            "answered": answered,
            "phone": _phones(world, person),
            "client_id": None,
            "first_time_caller": False,
            "utm_source": None,
            "utm_medium": None,
            "utm_campaign": None,
            "tags": "existing patient",
            "service_line": None,
            "location": PLACE_NAMES[world.folk.place[person]],
        }
    )


def _phones(world: World, person: Ints) -> Texts:
    return names.formatted(names.phone_numbers(world.folk), "e164")[person]
