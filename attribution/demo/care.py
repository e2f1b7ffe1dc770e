"""Booking, showing up, coming again, and what is paid for it."""

import numpy as np

from attribution.demo.clock import DAY, WEEK, next_morning, office_minute
from attribution.demo.draws import Draws, Floats, Ints
from attribution.demo.folk import Folk
from attribution.demo.log import CANCELLED, FULFILLED, NOSHOW

# By service line: days from booking to visit, weeks between visits, dollars per visit.
_WAIT_DAYS = np.array([13.0, 21.0, 11.0, 6.0])
_INTERVAL_WEEKS = np.array([14.0, 26.0, 26.0, 20.0])
_FEE = np.array([540.0, 260.0, 340.0, 205.0])
_PAYER_FACTOR = np.array([1.20, 0.85, 0.60, 0.95])
_BOOKS = np.array([0.43, 0.45, 0.50, 0.47])
STAYS_FIRST = 0.66  # after a first visit
STAYS = 0.915  # after any later one
REBOOKS = 0.62  # after a missed or cancelled visit


def books(folk: Folk, at: Ints, line: Ints, start: Ints, level: Floats) -> Ints:
    """Which inquiries become an appointment: the urgent ones more often."""
    chance = _BOOKS[line] * (0.70 + 0.55 * level) * (1 - 0.12 * (folk.payer[at] == 2))
    booked: Ints = (folk.draws.uniform(20, start, at) < chance).astype(np.int64)
    return booked


def booking_minutes(folk: Folk, at: Ints, step: Ints, asked: Ints, line: Ints) -> tuple[Ints, Ints]:
    """When they book after asking, and for when."""
    hours = 40 * folk.draws.exponential(21, step, at) ** 1.4
    booked = next_morning(asked + 4 + (60 * np.minimum(hours, 400)).astype(np.int64))
    days = 1 + _WAIT_DAYS[line] * folk.draws.exponential(22, step, at) ** 0.9
    target = booked + (np.minimum(days, 75) * DAY).astype(np.int64)
    starts = office_minute(folk.draws.uniform(23, step, at), target // WEEK)
    return booked, np.where(starts <= booked + 120, starts + WEEK, starts)


def outcomes(draws: Draws, at: Ints, number: Ints, days_ahead: Floats, first: Ints) -> Ints:
    """Kept, missed or cancelled: the longer the wait, the more are missed."""
    missed = 0.065 + 0.045 * first + 0.0016 * np.minimum(days_ahead, 50)
    cancelled = 0.055 + 0.0008 * np.minimum(days_ahead, 50)
    drawn = draws.uniform(24, number, at)
    status = np.where(drawn < missed, NOSHOW, FULFILLED)
    return np.where(drawn > 1 - cancelled, CANCELLED, status).astype(np.int64)


def next_week(folk: Folk, at: Ints, number: Ints, week: Ints, line: Ints, first: Ints) -> Ints:
    """The week of the next planned visit after a kept one, or -1 when none is planned."""
    stays = folk.draws.uniform(25, number, at) < np.where(first == 1, STAYS_FIRST, STAYS)
    spread = 0.6 + 0.8 * folk.draws.uniform(26, number, at)
    return np.where(stays, week + (_INTERVAL_WEEKS[line] * spread).astype(np.int64) + 1, -1)


def fees(folk: Folk, at: Ints, number: Ints, line: Ints) -> Ints:
    """What is paid for a kept visit in the end, in whole cents."""
    spread = np.exp(0.55 * folk.draws.normal(27, number, at) - 0.15)
    surgery = (line == 0) & (folk.draws.uniform(28, number, at) < 0.035)
    dollars = _FEE[line] * _PAYER_FACTOR[folk.payer[at]] * spread * np.where(surgery, 14.0, 1.0)
    cents: Ints = np.maximum((100 * dollars).astype(np.int64), 1500)
    return cents
