"""The market the demo's health system works in: lines, places, channels, seasons and budgets."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from attribution.demo.budgets import flights, pushes, swings
from attribution.demo.draws import Floats
from attribution.demo.knobs import STANDARD, Knobs

LINES = ("orthopedics", "dermatology", "dental", "primary_care")
LOCATIONS = ("north", "central", "south")
TIMEZONE = "America/Chicago"

# What can be switched on and off. Paid search is two levers in one channel: the brand's own
# name, and everything else people search for.
LEVERS = (
    "brand", "nonbrand", "paid_social", "display", "video", "directory", "direct_mail",
    "offline_media", "referral_web", "organic_search", "organic_social", "email",
    "referral_physician", "direct", "outreach_email", "outreach_sms",
)  # fmt: skip
LEVER = {name: position for position, name in enumerate(LEVERS)}
CHANNEL_OF = {name: name for name in LEVERS} | {"brand": "paid_search", "nonbrand": "paid_search"}
PAID = LEVERS[:9]
# Direct visits are what other causes leave behind: there is nothing to switch off.
SWITCHES = tuple(dict.fromkeys(CHANNEL_OF[name] for name in LEVERS if name != "direct"))
MARKETING = frozenset(
    (*PAID, "organic_social", "email", "outreach_email", "outreach_sms")
)  # baseline is the world without these

# Dollars a week for 60,000 people, all places together, before season and flights.
WEEKLY_BUDGET = {
    "brand": 4200.0, "nonbrand": 8800.0, "paid_social": 6200.0, "display": 4600.0,
    "video": 3700.0, "directory": 1900.0, "direct_mail": 2700.0, "offline_media": 3300.0,
    "referral_web": 1100.0,
}  # fmt: skip
_LOCATION_SHARE = (0.40, 0.36, 0.24)
# How far each budget follows demand: search does so by itself, radio is bought long before.
_FOLLOWS_DEMAND = {
    "brand": 1.0, "nonbrand": 0.9, "paid_social": 0.5, "display": 0.8, "video": 0.3,
    "directory": 0.1, "direct_mail": 0.2, "offline_media": 0.0, "referral_web": 0.2,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Calendar:
    """The simulated weeks, Monday to Sunday, the last of them ending on `until`."""

    until: date
    weeks: int

    @property
    def start(self) -> date:
        return self.until - timedelta(days=7 * self.weeks - 1)

    def middle(self) -> Floats:
        """Position in the year, 0 to 1, of the middle of each week."""
        first = self.start + timedelta(days=3)
        days = [first + timedelta(days=7 * week) for week in range(self.weeks)]
        return np.array([day.timetuple().tm_yday / 365.25 for day in days])


def _bump(year: Floats, peak: float, width: float) -> Floats:
    apart = np.abs(year - peak)
    distance = np.minimum(apart, 1 - apart)
    rise: Floats = np.exp(-0.5 * (distance / width) ** 2)
    return rise


def seasons(year: Floats) -> Floats:
    """Need by week and service line, about 1 on average."""
    pollen = pollen_levels(year)
    return np.stack(
        [
            0.90 + 0.25 * _bump(year, 0.30, 0.08) + 0.25 * _bump(year, 0.76, 0.07),
            0.80 + 0.55 * _bump(year, 0.48, 0.11),
            0.85 + 0.35 * _bump(year, 0.04, 0.05) + 0.30 * _bump(year, 0.94, 0.05),
            0.75 + 0.50 * _bump(year, 0.05, 0.10) + 0.35 * (pollen[:, 0] + pollen[:, 2]),
        ],
        axis=1,
    )


def pollen_levels(year: Floats) -> Floats:
    """Tree, grass and weed pollen, 0 to 1, by position in the year."""
    return np.stack(
        [_bump(year, 0.31, 0.05), _bump(year, 0.45, 0.06), _bump(year, 0.70, 0.05)], axis=1
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """How hard each paid lever is pressed, by week and place; 1 is its usual strength."""

    season: Floats  # week, service line
    strength: dict[str, Floats]  # lever -> week, place


@dataclass(frozen=True, slots=True)
class Pause:
    """A lever that is off for some weeks, the last one included."""

    lever: str
    first: int
    last: int


def plan_of(seed: int, calendar: Calendar, knobs: Knobs = STANDARD) -> Plan:
    """Budgets that follow demand, with the flights, pushes and swings that a planner would make."""
    for lever in sorted(knobs.levers() - LEVER.keys()):
        raise ValueError(f"there is no lever {lever!r} to turn a knob of")
    season = seasons(calendar.middle())
    demand = season.mean(axis=1) / season.mean()
    strength = {}
    for number, lever in enumerate(PAID):
        moved = swings(seed, number, calendar.weeks) * pushes(seed, number, lever, calendar.weeks)
        follow = 1 + knobs.confounding * _FOLLOWS_DEMAND[lever] * (demand - 1)
        usual = follow[:, None] * moved**knobs.swings * flights(lever, calendar.weeks)
        strength[lever] = knobs.budget(lever) * usual
    for lever, place, first, last in knobs.dark:
        strength[lever][max(calendar.weeks - first, 0) : calendar.weeks - last + 1, place] = 0.0
    return Plan(season, strength)


def weekly_spend(plan: Plan, lever: str, people: int) -> Floats:
    """Dollars by week and place."""
    return weekly_budget(plan.strength[lever], lever, people)


def weekly_budget(strength: Floats, lever: str, people: int) -> Floats:
    """Dollars by week and place, of a lever's strength by week and place."""
    scale = WEEKLY_BUDGET[lever] * people / 60_000
    dollars: Floats = scale * strength * np.array(_LOCATION_SHARE)[None, :]
    return dollars
