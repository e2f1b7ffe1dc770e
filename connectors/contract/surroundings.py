"""Rows of what people say of places, and of the air there."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from connectors.contract.marks import (
    Email,
    OneOf,
    PatientId,
    Phone,
    Private,
    RecordId,
    RecordRef,
    Row,
    Spec,
)


@dataclass(frozen=True, slots=True)
class Feedback(Row):
    """One answer of one person: a score, a review; its text stays in the private store.

    A survey of several questions is several rows with one `response_id`.
    """

    spec = Spec("feedback", ("feedback_id",), newer="updated_at")

    feedback_id: RecordId
    at: datetime
    kind: Annotated[str, OneOf(("nps", "review", "survey"))]
    score: float
    scale_max: float
    email: Email = None
    phone: Phone = None
    patient_id: PatientId = None
    service_line: str | None = None
    location: str | None = None
    provider: str | None = None
    comment: Annotated[str | None, Private()] = None
    response_id: RecordRef = None  # the sheet or visit to the form that the answer is on
    survey: str | None = None  # CG-CAHPS 3.1, HCAHPS, google ...
    question: str | None = None  # the survey's own name of it: Q11, recommend ...
    mode: str | None = None  # mail, phone, web ...
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reputation(Row):
    """What a review platform said of one place on one day: its rating and how many reviews."""

    spec = Spec("reputation", ("platform", "place", "day"), load="window", day="day")

    day: date
    timezone: str
    platform: str  # google, yelp ...
    place: str  # the platform's own id
    rating: float | None  # None where nobody has rated it yet
    scale_max: float
    reviews: int
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Environment(Row):
    """Pollen and air quality at one place on one day."""

    spec = Spec("environment", ("place", "day"), load="window", day="day")

    day: date
    place: str
    pollen_tree: float | None = None
    pollen_grass: float | None = None
    pollen_weed: float | None = None
    air_quality_index: float | None = None
    forecast_days: int | None = None  # how many days ahead the pollen was foretold; 0: on the day
