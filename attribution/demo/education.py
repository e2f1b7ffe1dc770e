"""Education: tips to families, pollen warnings, films of doctors; whom, when, what it does.

Tips hold some families out at random, and truly bring some of the others in for a visit that they
would not have made. Warnings and films are care: nobody is held out of them, and they bring nobody.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from attribution.demo import care
from attribution.demo.clock import DAY, WEEK
from attribution.demo.draws import Bools, Draws, Floats, Ints
from attribution.demo.folk import Folk, children
from attribution.demo.log import BOOKED, FULFILLED, Columns
from attribution.demo.market import LINES, LOCATIONS, Calendar, pollen_levels

TIPS, POLLEN, VIDEO = "wellness_tips", "pollen_warning", "doctor_video"
FLOWS = (TIPS, POLLEN, VIDEO)
TIPS_HOLDOUT = 0.25
TIPS_BRING = 0.14  # of the families written to, a visit that they would not have made
TIP_VISIT = 900  # the number of that visit, beyond those of the life without it
_TIP_WEEKS = 4
PRIMARY_CARE = LINES.index("primary_care")
HIGH_POLLEN = 150.0  # grains a cubic metre
_WARN_DAYS = 28  # between two warnings in one place
_SURGE_DAYS = 4  # of warm wind at the very end, so that there is something to warn of
_VIDEO_REST = 60 * DAY
_QUIET_WEEKS = 4  # before the last day, without warnings


@dataclass(frozen=True, slots=True)
class Sent:
    """Rows of one flow, held out ones included; `number` tells the rows of a person apart."""

    flow: str
    person: Ints
    minute: Ints
    number: Ints
    treated: Bools


def first_week(calendar: Calendar) -> int:
    """All three begin in the middle, tips so that the last went out five weeks before the end."""
    middle = calendar.weeks // 2
    return middle + (calendar.weeks - 5 - middle) % _TIP_WEEKS


def families(folk: Folk, visits: Columns, calendar: Calendar) -> tuple[Ints, Ints, Bools]:
    """Children who are patients and take e-mail: positions, the week of the first tip, treated.

    A child joins with the first tips after the first kept visit.
    """
    kept = visits["status"] == FULFILLED
    seen = np.full(len(folk.ids), np.iinfo(np.int64).max)
    at = np.searchsorted(folk.ids, visits["person"][kept])
    np.minimum.at(seen, at, visits["starts_at"][kept])
    begins = first_week(calendar)
    young = np.flatnonzero(children(folk) & folk.takes_email & (seen < calendar.weeks * WEEK))
    waited = np.maximum(-(-(seen[young] - begins * WEEK) // (_TIP_WEEKS * WEEK)), 0)
    week = begins + _TIP_WEEKS * waited
    young, week = young[week <= calendar.weeks - 5], week[week <= calendar.weeks - 5]
    return young, week, folk.draws.uniform(220, 0, young) >= TIPS_HOLDOUT


def with_tip_visits(folk: Folk, visits: Columns, calendar: Calendar) -> Columns:
    """The visits and, with them, those that tips brought; nothing else in a life changes."""
    young, week, treated = families(folk, visits, calendar)
    brings = TIPS_BRING * folk.knobs.effect("outreach_email")
    moved = treated & (folk.draws.uniform(221, 0, young) < brings)
    at, week = young[moved], week[moved]
    step, line = np.full_like(at, TIP_VISIT), np.full_like(at, PRIMARY_CARE)
    asked = week * WEEK + (3 + 30 * folk.draws.uniform(222, 0, at)).astype(np.int64) * DAY + 720
    booked, starts = care.booking_minutes(folk, at, step, asked, line)
    status = care.outcomes(folk.draws, at, step, (starts - booked) / DAY, np.zeros_like(at))
    more = {
        "person": folk.ids[at],
        "booked_at": booked,
        "starts_at": starts,
        "status": np.where(starts >= calendar.weeks * WEEK, BOOKED, status),
        "line": line,
        "number": step,
        "reason": np.full_like(at, 4),
        "first": np.zeros_like(at),
    }
    known = booked < calendar.weeks * WEEK
    return {name: np.concatenate([visits[name], more[name][known]]) for name in visits}


def tips(folk: Folk, visits: Columns, calendar: Calendar) -> Sent:
    """A tip every four weeks to each treated family, and one row for each that is held out."""
    own = visits["number"] != TIP_VISIT
    young, week, treated = families(
        folk, {name: column[own] for name, column in visits.items()}, calendar
    )
    last = calendar.weeks - 5
    turns = np.where(treated, (last - week) // _TIP_WEEKS + 1, 1)
    row = np.repeat(np.arange(len(young)), turns)
    turn = np.arange(len(row)) - np.repeat(np.cumsum(turns) - turns, turns)
    at = young[row]
    sent = week[row] + _TIP_WEEKS * turn
    return Sent(TIPS, folk.ids[at], sent * WEEK + DAY + 9 * 60, 1000 + sent, treated[row])


def grains(seed: int, calendar: Calendar) -> Floats:
    """Grains a cubic metre by place, day and kind: trees, grass, weeds; a warm wind at the end."""
    days = 7 * calendar.weeks
    dates = [calendar.start + timedelta(days=day) for day in range(days)]
    year = np.array([day.timetuple().tm_yday / 365.25 for day in dates])
    usual = pollen_levels(year) * np.array([420.0, 160.0, 210.0])
    usual[-_SURGE_DAYS:, 0] += 260.0
    by_place = []
    for number in range(len(LOCATIONS)):
        draws = Draws(seed + 9, np.arange(days) * 3 + number)
        noise = np.exp(0.5 * np.stack([draws.normal(1 + kind) for kind in range(3)], axis=1))
        by_place.append(np.round(usual * noise, 1))
    measured: Floats = np.stack(by_place)
    return measured


def warnings(folk: Folk, visits: Columns, calendar: Calendar, allergic: Bools, seed: int) -> Sent:
    """Warnings on days of much pollen to those who were told of an allergy and want to know.

    `allergic` says of which visits that was the diagnosis.
    """
    told = np.full(len(folk.ids), np.iinfo(np.int64).max)
    np.minimum.at(
        told, np.searchsorted(folk.ids, visits["person"][allergic]), visits["starts_at"][allergic]
    )
    wants = (folk.draws.uniform(223) < 0.55) & (folk.takes_sms | folk.takes_email)
    people, days = [], []
    counted = grains(seed, calendar).max(axis=2)
    for place in range(len(LOCATIONS)):
        high = counted[place] >= HIGH_POLLEN
        here = np.flatnonzero(wants & (folk.place == place) & (told < calendar.weeks * WEEK))
        for day in _spaced(np.flatnonzero(high), calendar):
            mine = here[told[here] < day * DAY]
            people.append(mine)
            days.append(np.full(len(mine), day))
    at = np.concatenate([np.empty(0, np.int64), *people])
    sent = np.concatenate([np.empty(0, np.int64), *days])
    return Sent(POLLEN, folk.ids[at], sent * DAY + 10 * 60, 20_000 + sent, np.ones(len(at), bool))


def _spaced(high: Ints, calendar: Calendar) -> list[int]:
    chosen: list[int] = []
    for day in high.tolist():
        late = day >= 7 * (calendar.weeks - _QUIET_WEEKS)
        if day < 7 * first_week(calendar) or late:
            continue
        if not chosen or day - chosen[-1] >= _WARN_DAYS:
            chosen.append(day)
    return chosen


def videos(folk: Folk, visits: Columns, calendar: Calendar) -> Sent:
    """A film three days after a kept visit to a doctor who has one, at most every 60 days."""
    kept = (visits["status"] == FULFILLED) & (visits["starts_at"] >= first_week(calendar) * WEEK)
    rows = np.flatnonzero(kept & (visits["person"] % 3 == 0))  # as doctors are shared out
    person, number = visits["person"][rows], visits["number"][rows]
    minute = (visits["starts_at"][rows] // DAY + 3) * DAY + 10 * 60
    at = np.searchsorted(folk.ids, person)
    fits = folk.takes_email[at] & (minute < calendar.weeks * WEEK)
    person, number, minute = person[fits], number[fits], minute[fits]
    order = np.lexsort((minute, person))
    person, number, minute = person[order], number[order], minute[order]
    same = (
        np.concatenate([[False], person[1:] == person[:-1]]) if len(person) else np.empty(0, bool)
    )
    since = np.where(same, minute - np.concatenate([[0], minute[:-1]])[: len(minute)], _VIDEO_REST)
    rested = since >= _VIDEO_REST
    return Sent(
        VIDEO, person[rested], minute[rested], 40_000 + number[rested], np.ones(rested.sum(), bool)
    )
