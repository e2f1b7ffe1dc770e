"""Conversions and credit worked out the plain way, in Python, to hold the SQL against."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from attribution.models.parameters import CreditSettings
from connectors.contract import Appointment, Payment, Touchpoint

DAY = timedelta(days=1)
KEPT = ("arrived", "fulfilled")
CHANNEL = {
    "google/cpc": "paid_search", "facebook/paid_social": "paid_social", "newsletter/email": "email",
    "(direct)/(none)": "direct", "google/organic": "organic_search", "nowhere/odd": "unmapped",
}  # fmt: skip


@dataclass(frozen=True)
class Moment:
    """One conversion of one person."""

    kind: str
    at: datetime
    counted: float
    value: int


def weights(
    model: str, days: Sequence[float], direct: Sequence[bool], marks: Sequence[int]
) -> list[float]:
    """What each touch of a journey weighs.

    `days` is how long each was before the decision, `marks` how many milestones each was.
    """
    last = len(days) - 1
    if model == "first":
        return [float(i == 0) for i in range(last + 1)]
    if model == "last":
        return [float(i == last) for i in range(last + 1)]
    if model == "last_non_direct":
        named = [i for i in range(last + 1) if not direct[i]]
        chosen = named[-1] if named else last
        return [float(i == chosen) for i in range(last + 1)]
    if model == "linear":
        return [1.0] * (last + 1)
    if model == "position":
        if last < 2:
            return [1.0] * (last + 1)
        return [0.4 if i in (0, last) else 0.2 / (last - 1) for i in range(last + 1)]
    if model == "milestone":
        rest = marks.count(0)
        return [0.3 * mark if mark else 0.1 / rest for mark in marks]
    return [0.5 ** (day / 7) for day in days]


def milestones(
    moment: Moment, bookings: Sequence[datetime], leads: Sequence[datetime], times: list[datetime]
) -> list[int]:
    """How many milestones each touch of a journey was; `bookings` are those within its span."""
    booked = [when for when in bookings if when <= moment.at and moment.kind != "lead"]
    asked = [when for when in leads if when <= max(booked, default=moment.at)]
    marks = [0] * len(times)
    marks[:1] = [1] * len(times[:1])
    for reached in (booked, asked):
        upto = [i for i, time in enumerate(times) if reached and time <= max(reached)]
        if upto:
            marks[upto[-1]] += 1
    return marks


def moments(
    touches: Sequence[Touchpoint],
    appointments: Sequence[Appointment],
    payments: Sequence[Payment],
    settings: CreditSettings,
) -> list[Moment]:
    """The conversions of one person."""
    found = []
    asked = sorted(t.at for t in touches if t.kind == "form")
    for before, now in pairwise([None, *asked]):
        if now and (before is None or now - before > settings.lead_gap_days * DAY):
            found.append(Moment("lead", now, 1, 0))
    found += [Moment("booked", a.booked_at, 1, 0) for a in appointments if a.status != "proposed"]
    seen = sorted(a.starts_at for a in appointments if a.status in KEPT)
    found += [Moment("kept", when, 1, 0) for when in seen]
    for before, now in pairwise([None, *seen]):
        if now and (before is None or now - before >= settings.new_patient_days * DAY):
            found.append(Moment("new_patient", now, 1, 0))
    for paid in payments:
        named = [a.starts_at for a in appointments if a.appointment_id == paid.appointment_id]
        earlier = [when for when in seen if when <= paid.posted_at]
        visit = named[0] if named else max(earlier, default=paid.posted_at)
        value = int(paid.amount * 1_000_000)
        decided = min(visit, paid.posted_at)
        found.append(Moment("collected", decided, float(value > 0), value))
    return found


def credit(
    people: Sequence[tuple[list[Touchpoint], list[Appointment], list[Payment]]],
    models: Sequence[str],
    settings: CreditSettings,
) -> dict[tuple[str, str, str], tuple[float, float]]:
    """(model, kind, channel) -> conversions and value in micros."""
    total: dict[tuple[str, str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for touches, appointments, payments in people:
        ordered = sorted(touches, key=lambda t: (t.at, t.touch_id))
        found = moments(touches, appointments, payments, settings)
        for moment in found:
            since = moment.at - settings.lookback_days[moment.kind] * DAY
            earlier = [m.at for m in found if m.kind == moment.kind and m.at < moment.at]
            journey = [t for t in ordered if since <= t.at <= moment.at]
            if settings.after_previous[moment.kind] and earlier:
                journey = [t for t in journey if t.at > max(earlier)]
            bookings = [m.at for m in found if m.kind == "booked" and m.at >= since]
            if settings.after_previous[moment.kind] and earlier:
                bookings = [when for when in bookings if when > max(earlier)]
            leads = [m.at for m in found if m.kind == "lead"]
            marks = milestones(moment, bookings, leads, [t.at for t in journey])
            channels = [CHANNEL[f"{t.utm_source}/{t.utm_medium}"] for t in journey]
            days = [(moment.at - t.at) / DAY for t in journey]
            for model in models:
                share = weights(model, days, [c == "direct" for c in channels], marks)
                for channel, weight in zip(
                    channels or ["unattributed"], share or [1.0], strict=True
                ):
                    cell = total[model, moment.kind, channel]
                    cell[0] += moment.counted * weight / (sum(share) or 1)
                    cell[1] += moment.value * weight / (sum(share) or 1)
    return {key: (cell[0], cell[1]) for key, cell in total.items()}
