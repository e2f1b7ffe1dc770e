"""What patients think of the simulated clinics: answers to surveys, and reviews on two sites.

A score falls with the minutes waited, one clinic is liked less than the others, and each doctor a
little more or less; some of those who came answer, and a few of them write a review, in which the
discontented are more than their share. Of the second site only its rating is known.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from attribution.demo import names
from attribution.demo.clock import DAY
from attribution.demo.draws import Draws, Floats, Ints
from attribution.demo.log import FULFILLED
from attribution.demo.market import LOCATIONS, TIMEZONE
from attribution.demo.web import LINE_NAMES, PLACE_NAMES, local_time, typed_emails
from attribution.demo.worlds import World

_PLACES = np.array([0.15, 0.05, -0.45])  # on the scale to 10
_REVIEWS = 0.012
_SITES = (("google", 4.3, 412), ("yelp", 3.8, 96))  # what they showed before the first day


@dataclass(frozen=True, slots=True)
class _Visits:
    person: Ints
    number: Ints
    line: Ints
    place: Ints
    starts: Ints
    score: Floats  # unrounded, on the scale to 10


def _some(world: World, stream: int, share: float) -> _Visits:
    """A share of the kept visits, with what was thought of each."""
    visits, draws = world.visits, world.folk.draws
    kept = (visits["status"] == FULFILLED) & (visits["starts_at"] >= 0)
    drawn = draws.uniform(stream, visits["number"], visits["person"]) < share
    rows = np.flatnonzero(kept & drawn)
    person, number, line = (visits[name][rows] for name in ("person", "number", "line"))
    place = world.folk.place[person]
    doctor = (line * 3 + place) * 6 + person % 6
    liked = 0.35 * Draws(world.seed + 11, np.arange(72)).normal(1)[doctor]
    waited = draws.exponential(195, number + 2, person)
    level = 8.9 + 1.6 * draws.normal(201, number, person) + _PLACES[place] + liked
    return _Visits(person, number, line, place, visits["starts_at"][rows], level - 0.6 * waited)


def feedback(world: World) -> pd.DataFrame:
    """Answers to "would you recommend us", 0 to 10, and reviews of one to five stars."""
    return pd.concat([_answers(world), _reviews(world)], ignore_index=True)


def _answers(world: World) -> pd.DataFrame:
    some = _some(world, 200, 0.11)
    words = np.array(["", "", "", "friendly staff", "long wait", "easy to book"], dtype=object)
    return pd.DataFrame(
        {
            "feedback_id": names.record_ids("N", some.person, some.number + 2),
            "at": local_time(world, some.starts // DAY * DAY + DAY + 18 * 60),
            "kind": "nps",
            "score": np.clip(np.round(some.score), 0, 10),
            "scale_max": 10,
            "email": typed_emails(world, some.person),
            "service_line": LINE_NAMES[some.line],
            "location": PLACE_NAMES[some.place],
            "comment": words[(some.person + some.number) % 6],
            "survey": None,
        }
    )


def _reviews(world: World) -> pd.DataFrame:
    """Nobody's in particular: a site tells no identifiers."""
    some = _some(world, 202, _REVIEWS)
    cross = world.folk.draws.uniform(203, some.number, some.person) < 0.25
    stars = np.clip(np.round((some.score - np.where(cross, 4.0, 0.0)) / 2 + 0.3), 1, 5)
    return pd.DataFrame(
        {
            "feedback_id": names.record_ids("R", some.person, some.number + 2),
            "at": local_time(world, some.starts // DAY * DAY + 3 * DAY + 20 * 60),
            "kind": "review",
            "score": stars,
            "scale_max": 5,
            "email": None,
            "service_line": None,
            "location": PLACE_NAMES[some.place],
            "comment": None,
            "survey": "google",
        }
    )


def reputation(world: World) -> pd.DataFrame:
    """What each site showed of each clinic on the last day."""
    written = _reviews(world)
    rows = []
    for site, before, count in _SITES:
        for place, liked in zip(LOCATIONS, _PLACES, strict=True):
            mine = written[(written["location"] == place) & (site == "google")]
            total = (before + 0.4 * liked) * count + float(mine["score"].sum())
            rows.append(
                {
                    "day": np.datetime64(world.calendar.until, "s"),
                    "timezone": TIMEZONE,
                    "platform": site,
                    "place": f"lakeside-{place}",
                    "rating": round(total / (count + len(mine)), 1),
                    "scale_max": 5,
                    "reviews": count + len(mine),
                    "location": place,
                }
            )
    return pd.DataFrame(rows)
