"""Made-up journeys of single people, and the marts that say where in journeys channels stood."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import research_fixture
from grids import grid

from attribution.models import WEIGHED
from attribution.paths import Home
from attribution.patient import System, hashed

CHANNELS = ("paid_search", "email", "direct", "display", "organic_search")
PLACES = ("alone", "first", "middle", "last", "both")
MODELS = tuple(WEIGHED)
KINDS = ("booked", "lead", "collected")
WEEKS = [date(2026, 11, 16) - timedelta(weeks=back) for back in range(12)]
WAYS = (
    ("email",),
    ("display", "email"),
    ("email", "direct"),
    ("direct", "email", "direct"),
    ("paid_search", "paid_search", "email", "organic_search", "direct"),
    tuple(CHANNELS[step % 5] for step in range(14)),
    ("display",),
)
PER_WAY = 13  # journeys of each kind


def tables() -> dict[str, pd.DataFrame]:
    """The tables `journeys` and `journey_credit`, and those of research."""
    touches = _touches()
    return {
        "journeys": _journeys(touches),
        "journey_credit": touches,
        "research_people": research_fixture.people(600),
        "research_weeks": research_fixture.weeks(),
    }


PERSON, RECORD_NUMBER, CRM_NUMBER = 10_001, "00077123", "C-5501"
HOSTILE = "![x](http://evil.example/x.png) <script>alert(1)</script>"
# When, kind, what, and what else is not empty.
HAPPENED: tuple[tuple[str, str, str, dict[str, object]], ...] = (
    ("2025-03-01 15:00", "shown", "impression", {"channel": "display", "campaign": HOSTILE}),
    ("2025-03-04 16:00", "touch", "session", {"channel": "paid_search", "campaign": "Brand"}),
    ("2025-03-04 16:05", "call", "answered", {"channel": "call", "number": 240}),
    ("2025-03-04 16:10", "lead", "contact", {"source": "crm"}),
    (
        *("2025-03-04 16:20", "deal", "won"),
        {"detail": '{"new": "2025-03-04T16:20:00Z", "talked": "2025-03-05T16:00:00Z"}'},
    ),
    ("2025-03-05 16:00", "booking", "booked", {"other_at": "2025-03-20 14:30"}),
    ("2025-03-05 16:00", "conversion", "booked", {"conversion_id": 1, "number": 1}),
    (
        *("2025-03-20 14:30", "visit", "fulfilled"),
        {"other_at": "2025-03-05 16:00", "number": 12, "service_line": "cardiology"},
    ),
    ("2025-03-20 14:30", "diagnosis", "", {"detail": "I10|E11", "service_line": "cardiology"}),
    (
        "2025-04-10 15:00",
        "payment",
        "payment",
        {"amount_micros": 120_500_000, "detail": "self_pay"},
    ),
    ("2025-04-10 15:00", "balance", "", {"amount_micros": 40_000_000, "detail": "2025-05-01"}),
    ("2025-04-12 15:00", "feedback", "nps", {"number": 9, "out_of": 10}),
    ("2026-02-01 15:00", "message", "sent", {"campaign": "recall", "channel": "email"}),
    ("2026-02-01 17:00", "message", "opened", {"campaign": "recall", "channel": "email"}),
    ("2026-02-02 15:00", "preference", "marketing", {"channel": "sms", "number": 0}),
)


def timelines(home: Home) -> dict[str, pd.DataFrame]:
    """The tables of one person who can be looked up, whose numbers are hashed with home's key."""
    numbers = {
        hashed(home, System(kind, space), number): PERSON
        for kind, space, number in (
            ("patient_id", "emr", RECORD_NUMBER),
            ("crm_id", "crm", CRM_NUMBER),
        )
    }
    profile = (PERSON, "crm|emr", True, False, 1958, "female", "601", "en")
    names = ["person_id", "sources", "is_patient", "deceased"]
    return {
        "person_numbers": pd.DataFrame(list(numbers.items()), columns=["number_hash", "person_id"]),
        "person_profiles": pd.DataFrame(
            [profile], columns=[*names, "birth_year", "sex", "zip3", "language"]
        ),
        "person_events": happened(HAPPENED),
    }


def happened(told: Iterable[tuple[str, str, str, dict[str, object]]]) -> pd.DataFrame:
    """The table `person_events` of the one person, from what happened."""
    usual: dict[str, object] = dict.fromkeys(
        ("source", "channel", "campaign", "service_line", "location", "detail"), ""
    )
    usual |= dict.fromkeys(("number", "out_of", "amount_micros", "conversion_id", "other_at"))
    rows = [
        {
            "person_id": PERSON,
            "happened_at": _instant(at),
            "kind": kind,
            "tie": number,
            "what": what,
            **usual,
            "currency": "USD",
            **more,
        }
        for number, (at, kind, what, more) in enumerate(told)
    ]
    frame = pd.DataFrame(rows)
    frame["other_at"] = pd.to_datetime([_instant(at) for at in frame["other_at"]], utc=True)
    frame["happened_at"] = pd.to_datetime(frame["happened_at"], utc=True)
    kinds = {"number": "float64", "out_of": "float64"}
    return frame.astype(kinds | dict.fromkeys(("amount_micros", "conversion_id"), "Int64"))


def _instant(text: object) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if isinstance(text, str) else None


def _touches() -> pd.DataFrame:
    random = np.random.default_rng(11)
    rows = []
    number = 0
    for kind in KINDS:
        for way in WAYS:
            for turn in range(PER_WAY):
                number += 1
                days = sorted(random.uniform(0, 80, len(way)), reverse=True)
                value = 120_000_000 if kind == "collected" else 0
                told = (number, kind, 10_000 + number, WEEKS[turn % 12], "cardiology", "North")
                for step, channel in enumerate(way, start=1):
                    shares = [_share(model, step, len(way)) for model in MODELS]
                    place = (step, len(way), days[step - 1], channel, "(none)")
                    rows.append((*told, "USD", 1, value, *place, *shares))
    columns = ["conversion_id", "kind", "person_id", "week", "service_line", "location", "currency"]
    columns += ["conversions", "value_micros", "step", "steps", "days_before"]
    columns += ["channel", "campaign", *(f"{model}_share" for model in MODELS)]
    return pd.DataFrame(rows, columns=columns)


def _share(model: str, step: int, steps: int) -> float:
    if model == "first":
        return float(step == 1)
    if model in ("last", "last_non_direct"):
        return float(step == steps)
    return 1 / steps


def _journeys(touches: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for _number, steps in touches.groupby("conversion_id"):
        stops = list(steps["channel"][steps["channel"] != steps["channel"].shift()])
        path = stops if len(stops) <= 4 else [stops[0], *stops[-3:]]
        first = steps.iloc[0]
        path += [""] * (4 - len(path))
        rows.append(
            [*first[list(touches.columns[:9])], first["steps"], first["days_before"], *path]
        )
    names = [*touches.columns[:9], "steps", "days", "step_1", "step_2", "step_3", "step_4"]
    return pd.DataFrame(rows, columns=names)


def positions(
    kinds: Iterable[str], lines: Sequence[str], places: Sequence[str], quarters: Sequence[date]
) -> pd.DataFrame:
    """The mart `positions`; a channel at both ends is rare."""
    frame = _cells(kinds, lines, places, quarters, channel=CHANNELS, place=PLACES)
    rare = frame["place"] == "both"
    return _counted(frame, np.where(rare, frame.index % 2, 3 + frame.index % 7))


def companions(
    kinds: Iterable[str], lines: Sequence[str], places: Sequence[str], quarters: Sequence[date]
) -> pd.DataFrame:
    """The mart `companions`."""
    frame = _cells(kinds, lines, places, quarters, channel=CHANNELS, companion=CHANNELS)
    frame = frame[frame["channel"] != frame["companion"]].reset_index(drop=True)
    return _counted(frame, 1 + frame.index.to_numpy() % 5)


def _cells(
    kinds: Iterable[str],
    lines: Sequence[str],
    places: Sequence[str],
    quarters: Sequence[date],
    **more: Sequence[str],
) -> pd.DataFrame:
    every = grid(kind=list(kinds), service_line=lines, location=places, quarter=quarters, **more)
    return every.assign(currency="USD")


def _counted(frame: pd.DataFrame, journeys: np.ndarray) -> pd.DataFrame:
    random = np.random.default_rng(12)
    money = frame["kind"] == "collected"
    frame = frame.assign(
        journeys=journeys,
        touches=journeys * 2,
        conversions=journeys,
        value_micros=np.where(money, journeys * 90_000_000, 0),
    )
    for model in MODELS:
        share = random.uniform(0.1, 0.9, len(frame))
        if "place" in frame:
            share = np.where(frame["place"] == "alone", 1.0, share)
        frame[f"{model}_conversions"] = frame["conversions"] * share
        frame[f"{model}_value"] = (frame["value_micros"] * share).astype("int64")
    return frame
