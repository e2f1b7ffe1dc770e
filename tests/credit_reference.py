"""Conversions and credit worked out the plain way, in Python, to hold the SQL against."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import combinations, pairwise
from math import factorial

import numpy as np

from attribution.models.parameters import KINDS, CreditSettings
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


@dataclass(frozen=True)
class Journey:
    """The touches before one conversion: their channels, days before it, and milestones."""

    moment: Moment
    channels: list[str]
    days: list[float]
    marks: list[int]


def weights(
    model: str, journey: Journey, learned: Mapping[str, Mapping[str, float]]
) -> list[float]:
    """What each touch of a journey weighs; `learned` is the weight of channels by model."""
    days, marks = journey.days, journey.marks
    direct = [channel == "direct" for channel in journey.channels]
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
    if model == "markov":
        return [learned["markov"].get(channel) or 1e-6 for channel in journey.channels]
    if model == "shapley_rate":
        values = learned["shapley_rate"]
        return [(values.get(c) or 1e-6) / journey.channels.count(c) for c in journey.channels]
    if model == "shapley_sum":
        return [1 / journey.channels.count(channel) for channel in journey.channels]
    return [0.5 ** (day / 7) for day in days]


def removal_effects(
    won: Sequence[Sequence[str]], lost: Sequence[Sequence[str]]
) -> dict[str, float]:
    """The share of conversions lost without each channel, one system of equations for each."""
    out: dict[str, Counter[str]] = defaultdict(Counter)
    for paths, end in ((won, "won"), (lost, "lost")):
        for path in paths:
            for origin, target in pairwise(["start", *path, end]):
                out[origin][target] += 1
    states = sorted(out)

    def chance(without: str) -> float:
        system, gain = np.eye(len(states)), np.zeros(len(states))
        for row, state in enumerate(states):
            for target, times in out[state].items():
                share = times / out[state].total() if state != without else 0.0
                if target in out and target != without:
                    system[row, states.index(target)] -= share
                gain[row] += share * (target == "won")
        return float(np.linalg.solve(system, gain)[states.index("start")])

    return {s: 1 - chance(s) / chance("") for s in states if s != "start"} if won else {}


def rate_values(won: Sequence[Sequence[str]], lost: Sequence[Sequence[str]]) -> dict[str, float]:
    """Shapley values of the conversion rate by their definition, the largest 1, none below 0."""
    channels = sorted({channel for path in (*won, *lost) for channel in path})

    def rate(coalition: frozenset[str]) -> Fraction:
        gains, nulls = (sum(coalition >= set(path) for path in paths) for paths in (won, lost))
        return Fraction(gains, gains + nulls) if gains + nulls else Fraction(0)

    size, values = len(channels), {}
    for channel in channels:
        others = [c for c in channels if c != channel]
        value = Fraction(0)
        for count in range(size):
            part = Fraction(factorial(count) * factorial(size - count - 1), factorial(size))
            for chosen in combinations(others, count):
                value += part * (rate(frozenset((*chosen, channel))) - rate(frozenset(chosen)))
        values[channel] = value
    largest = max(values.values(), default=Fraction(0))
    if not won or largest <= 0:
        return {}
    return {channel: round(float(max(v, 0) / largest), 12) for channel, v in values.items()}


def lost_paths(
    times: list[datetime],
    channels: list[str],
    converted: Sequence[datetime],
    until: datetime,
    lookback: timedelta,
) -> list[list[str]]:
    """Runs of touches that no conversion followed within the lookback, nor may still follow."""
    lost = []
    for closed, following in pairwise([None, *sorted(set(converted)), None]):
        runs: list[list[tuple[datetime, str]]] = []
        for time, channel in zip(times, channels, strict=True):
            if (closed is None or time > closed) and (following is None or time <= following):
                if not runs or time - runs[-1][-1][0] > lookback:
                    runs.append([])
                runs[-1].append((time, channel))
        if runs:
            ends = runs[-1][-1][0] + lookback
            if ends > until if following is None else ends >= following:
                runs.pop()
        lost += [[channel for _, channel in run] for run in runs]
    return lost


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


def journeys_of(
    touches: Sequence[Touchpoint], found: Sequence[Moment], settings: CreditSettings
) -> list[Journey]:
    """The journey before each conversion of one person."""
    journeys = []
    for moment in found:
        since = moment.at - settings.lookback_days[moment.kind] * DAY
        earlier = [m.at for m in found if m.kind == moment.kind and m.at < moment.at]
        journey = [t for t in touches if since <= t.at <= moment.at]
        bookings = [m.at for m in found if m.kind == "booked" and m.at >= since]
        if settings.after_previous[moment.kind] and earlier:
            journey = [t for t in journey if t.at > max(earlier)]
            bookings = [when for when in bookings if when > max(earlier)]
        leads = [m.at for m in found if m.kind == "lead"]
        marks = milestones(moment, bookings, leads, [t.at for t in journey])
        days = [(moment.at - t.at) / DAY for t in journey]
        journeys.append(Journey(moment, [channel_of(t) for t in journey], days, marks))
    return journeys


def channel_of(touch: Touchpoint) -> str:
    return CHANNEL[f"{touch.utm_source}/{touch.utm_medium}"]


def credit(
    people: Sequence[tuple[list[Touchpoint], list[Appointment], list[Payment]]],
    models: Sequence[str],
    settings: CreditSettings,
) -> dict[tuple[str, str, str], tuple[float, float]]:
    """(model, kind, channel) -> conversions and value in micros."""
    won: dict[str, list[list[str]]] = defaultdict(list)
    lost: dict[str, list[list[str]]] = defaultdict(list)
    journeys: list[Journey] = []
    found = [moments(*person, settings) for person in people]
    every = [t.at for touches, *_ in people for t in touches]
    every += [moment.at for own in found for moment in own]
    for (touches, _, _), mine in zip(people, found, strict=True):
        ordered = sorted(touches, key=lambda t: (t.at, t.touch_id))
        own = journeys_of(ordered, mine, settings)
        journeys += own
        for journey in own:
            if journey.channels and journey.moment.counted:
                won[journey.moment.kind].append(journey.channels)
        for kind in KINDS:
            converted = [m.at for m in mine if m.kind == kind]
            earlier = ordered
            if kind == "new_patient" and converted:
                # Who is a patient cannot become a new one.
                earlier = [t for t in ordered if t.at <= min(converted)]
                converted = [min(converted)]
            times, channels = [t.at for t in earlier], [channel_of(t) for t in earlier]
            lookback = settings.lookback_days[kind] * DAY
            if every:
                lost[kind] += lost_paths(times, channels, converted, max(every), lookback)
    learned = {
        kind: {
            "markov": removal_effects(won[kind], lost[kind]),
            "shapley_rate": rate_values(won[kind], lost[kind]),
        }
        for kind in KINDS
    }
    total: dict[tuple[str, str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for journey in journeys:
        moment = journey.moment
        for model in models:
            share = weights(model, journey, learned[moment.kind]) or [1.0]
            for channel, weight in zip(journey.channels or ["unattributed"], share, strict=True):
                cell = total[model, moment.kind, channel]
                cell[0] += moment.counted * weight / sum(share)
                cell[1] += moment.value * weight / sum(share)
    return {key: (cell[0], cell[1]) for key, cell in total.items()}
