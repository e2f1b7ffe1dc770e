"""Weekly numbers of simulated health systems, as the warehouse counts them, without a refresh.

So many worlds can be forecast that nobody looked at before. What channels are credited with hangs
on the whole pipeline and is left out: channels have their spend, and leads by the visit before.
"""

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import pandas as pd

from attribution.demo.clock import DAY, WEEK
from attribution.demo.draws import Floats, Ints
from attribution.demo.folk import folk_of
from attribution.demo.knobs import STANDARD
from attribution.demo.log import FULFILLED
from attribution.demo.market import CHANNEL_OF, LEVERS, LINES, LOCATIONS, PAID, weekly_spend
from attribution.demo.planned import planned_spend
from attribution.demo.worlds import World, calendar_of, live
from attribution.models.forecast_series import ALL

UNTIL, DAYS = date(2026, 11, 22), 730
MICROS_A_CENT = 10_000
_FARTHEST = 26  # weeks ahead
_NEW_PATIENT_DAYS = 1095  # as settings have it by default
_SEEN_AS = np.array([CHANNEL_OF[lever] for lever in LEVERS] + ["unknown"])
_LINE_BUDGET = (0.34, 0.22, 0.22, 0.22)  # as the demo's campaigns share money out


def planned(people: int, seed: int) -> pd.DataFrame:
    """What the planners of `weekly` had on paper, as `planned_spend.csv` has it."""
    return planned_spend(seed, calendar_of(UNTIL, DAYS), people)


def expected(people: int, seed: int, lives: int) -> pd.DataFrame:
    """`weekly` as the mean of so many lives of other people and other chance, budgets as they are.

    What is left when this is taken from a world's own weeks is chance, which nobody can foretell.
    """
    every = pd.concat([weekly(people, seed, 1000 * seed + life) for life in range(1, lives + 1)])
    grain = ["metric", "dimension", "member", "week"]
    return (every.groupby(grain)["value"].sum() / lives).reset_index()


def weekly(people: int, seed: int, chance: int | None = None) -> pd.DataFrame:
    """metric, dimension, member, week, value, as `int_forecasts.sql` has them; money in micros.

    People and chance are those of the seed `chance`, budgets those of `seed`.
    """
    folk = folk_of(seed if chance is None else chance, np.arange(people), STANDARD)
    lived = live(folk, seed, calendar_of(UNTIL, DAYS), frozenset(), record_touches=False)
    found = pd.concat([*_counted(lived), *_spent(lived)], ignore_index=True)
    weeks = lived.calendar.weeks
    found = found[(found["at"] >= 0) & (found["at"] < weeks)]
    monday = [f"{lived.calendar.start + timedelta(days=7 * week)}" for week in range(weeks)]
    found["week"] = np.array(monday)[found["at"]]
    grain = ["metric", "dimension", "member", "week"]
    return found.groupby(grain, as_index=False)["value"].sum()


def booked(people: int, seed: int) -> pd.DataFrame:
    """What was booked ahead in the same world, with weeks_ahead, as `int_forecasts.sql` has it."""
    folk = folk_of(seed, np.arange(people), STANDARD)
    lived = live(folk, seed, calendar_of(UNTIL, DAYS), frozenset(), record_touches=False)
    visits, start = lived.visits, lived.calendar.start
    at, made = visits["starts_at"] // WEEK, visits["booked_at"] // WEEK
    place = folk.place[np.searchsorted(folk.ids, visits["person"])]
    near = at >= 0
    found = []
    for metric, rows in (("kept", near), ("new_patient", near & _new(lived))):
        for part in _parts(
            metric, at[rows], visits["line"][rows], place[rows], np.ones(rows.sum())
        ):
            ahead = np.clip(at[rows] - made[rows], 0, _FARTHEST)
            found.append(part.assign(weeks_ahead=ahead))
    every = pd.concat(found, ignore_index=True)
    every["week"] = [f"{start + timedelta(days=7 * int(week))}" for week in every["at"]]
    grain = ["metric", "dimension", "member", "week", "weeks_ahead"]
    return every.groupby(grain, as_index=False)["value"].sum()


def _new(lived: World) -> np.ndarray:
    """Who had not been seen for long when they booked."""
    visits = lived.visits
    kept = visits["status"] == FULFILLED
    seen = pd.DataFrame({"person": visits["person"], "at": visits["starts_at"]})[kept]
    made = pd.DataFrame({"person": visits["person"], "at": visits["booked_at"]})
    last = pd.merge_asof(
        made.reset_index().sort_values("at"),
        seen.sort_values("at").assign(seen=lambda rows: rows["at"]),
        on="at", by="person",
    ).set_index("index")["seen"]  # fmt: skip
    away = made["at"] - last.reindex(made.index)
    return np.asarray(away.isna() | (away >= _NEW_PATIENT_DAYS * DAY))


def _counted(lived: World) -> Iterator[pd.DataFrame]:
    asked, visits, paid = lived.inquiries, lived.visits, lived.payments
    for kind, (rows, minute) in lived.conversions().items():
        log = asked if kind == "lead" else visits
        place = lived.folk.place[np.searchsorted(lived.folk.ids, log["person"])]
        channel = _SEEN_AS[asked["lever"]] if kind == "lead" else None
        yield from _parts(
            kind, minute[rows] // WEEK, log["line"][rows], place[rows], np.ones(rows.sum()),
            None if channel is None else channel[rows],
        )  # fmt: skip
    visit = paid["visit"]
    place = lived.folk.place[np.searchsorted(lived.folk.ids, visits["person"][visit])]
    yield from _parts(
        "collected", paid["minute"] // WEEK, visits["line"][visit], place,
        paid["cents"] * float(MICROS_A_CENT),
    )  # fmt: skip


def _spent(lived: World) -> Iterator[pd.DataFrame]:
    for lever in PAID:
        money = np.round(weekly_spend(lived.plan, lever, len(lived.folk.ids)) * 1e6)
        week, place, line = np.indices((*money.shape, len(LINES)))
        shared = (money[:, :, None] * np.array(_LINE_BUDGET)).ravel()
        channel = np.repeat(CHANNEL_OF[lever], len(shared))
        yield from _parts("spend", week.ravel(), line.ravel(), place.ravel(), shared, channel)


def _parts(
    metric: str, at: Ints, line: Ints, place: Ints, value: Floats, channel: object = None
) -> Iterator[pd.DataFrame]:
    members = {
        "total": np.repeat(ALL, len(at)),
        "service_line": np.array(LINES)[line],
        "location": np.array(LOCATIONS)[place],
    }
    if channel is not None:
        members["channel"] = channel
    for dimension, member in members.items():
        yield pd.DataFrame(
            {"metric": metric, "dimension": dimension, "member": member, "at": at, "value": value}
        )
