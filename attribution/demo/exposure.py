"""What reaches people in a week: ads they see, and visits to the site that follow.

Platforms aim at people in need (they can tell), heavy users see more of everything, retargeting
reaches recent visitors only, and most clicks on a brand ad come back as organic when it is off.
"""

from dataclasses import dataclass, field

import numpy as np

from attribution.demo.draws import Bools, Floats, Ints
from attribution.demo.folk import Folk
from attribution.demo.market import LEVER, Plan

AWARENESS_KEPT = 0.80  # from week to week
_AWARENESS = {"video": 0.150, "paid_social": 0.050, "offline_media": 0.050, "direct_mail": 0.12,
              "display": 0.004, "organic_social": 0.03, "email": 0.02}  # fmt: skip
RETARGETED_WEEKS = 4
_VISITED_LATELY = 0.17  # of all people, in a usual week
STREAM = {name: 40 + 4 * number for name, number in LEVER.items()}


@dataclass(slots=True)
class Week:
    """What reached whom; values are positions of people."""

    seen: dict[str, Ints] = field(default_factory=dict)  # impressions, mailings, opens
    visits: dict[str, Ints] = field(default_factory=dict)  # visits to the site, by lever
    brand_organic: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Moment:
    """The state of people that exposure depends on, in one week."""

    week: int
    level: Floats  # how urgently they look for care, 0 when they do not
    patient: Bools
    known: Bools  # to the CRM
    visited: Ints  # week of their last visit to the site
    halo: Floats  # how present the system's name is to them, 0 to 1


def impressions(folk: Folk, plan: Plan, now: Moment, off: frozenset[str], week: Week) -> None:
    """Fill `week.seen` for media that people are shown."""
    aim, web = folk.knobs.confounding, folk.activity
    level = aim * now.level  # as far as platforms can tell

    def show(lever: str, rate: Floats) -> None:
        if lever not in off:
            drawn = folk.draws.uniform(STREAM[lever], now.week)
            week.seen[lever] = np.flatnonzero(drawn < -np.expm1(-rate))

    def pressed(lever: str, power: float) -> Floats:
        values: Floats = (plan.strength[lever][now.week] ** power)[folk.place]
        return values

    show("video", 0.24 * pressed("video", 0.75) * web * (1 + 0.4 * level))
    show("paid_social", 0.26 * pressed("paid_social", 0.7) * web * (1 + 2.5 * level))
    show("offline_media", 0.22 * pressed("offline_media", 0.8))
    show("direct_mail", 0.075 * pressed("direct_mail", 0.8))
    recent = now.visited >= now.week - RETARGETED_WEEKS
    # Retargeting that does not aim shows as many ads, to anyone.
    chased = np.maximum(aim * recent + (1 - aim) * _VISITED_LATELY, 0.0)
    show("display", 1.3 * pressed("display", 0.6) * chased * np.minimum(web, 2.0))
    # One newsletter in four weeks, each person in their own week.
    turn = (now.week + folk.ids) % 4 == 0
    show("email", 0.42 * (turn & folk.takes_email & (now.patient | now.known)))


def awareness_gained(folk: Folk, week: Week) -> Floats:
    """How much the name sticks, from what was seen this week."""
    gained = np.zeros(len(folk.ids))
    for lever, strength in _AWARENESS.items():
        if lever in week.seen:
            gained[week.seen[lever]] += strength * folk.knobs.effect(lever)
    return gained


def clicks(folk: Folk, now: Moment, off: frozenset[str], week: Week) -> None:
    """Visits that start from something seen."""
    for lever, base, slope in (
        ("paid_social", 0.014, 0.06),
        ("video", 0.005, 0.015),
        ("display", 0.018, 0.10),
        ("email", 0.08, 0.20),
        ("direct_mail", 0.004, 0.05),
    ):
        if lever in week.seen:
            seen = week.seen[lever]
            drawn = folk.draws.uniform(STREAM[lever] + 1, now.week, seen)
            week.visits[lever] = seen[drawn < base + slope * now.level[seen]]
    if "organic_social" not in off:
        fans = np.flatnonzero(folk.follower)
        drawn = folk.draws.uniform(STREAM["organic_social"], now.week, fans)
        week.visits["organic_social"] = fans[drawn < 0.025 + 0.10 * now.level[fans]]
        week.seen["organic_social"] = week.visits["organic_social"]


def searches(folk: Folk, plan: Plan, now: Moment, off: frozenset[str], week: Week) -> None:
    """People in need search; the better they know the name, the more they type it."""
    habit = np.sqrt(folk.activity)
    wants = -np.expm1(-habit * (0.62 * now.level + 0.008 + 0.008 * now.patient))
    at = np.flatnonzero(folk.draws.uniform(STREAM["organic_search"], now.week) < wants)
    by_name = folk.draws.uniform(STREAM["organic_search"] + 1, now.week, at)
    brand = by_name < 0.10 + 0.30 * now.patient[at] + 0.42 * now.halo[at]
    chosen = folk.draws.uniform(STREAM["organic_search"] + 2, now.week, at)

    on_name, drawn = at[brand], chosen[brand]
    by_itself = (drawn >= 0.64) & (drawn < 0.925)
    if "brand" in off:
        by_itself |= drawn < 0.615  # most of those who would have clicked the ad
    else:
        week.visits["brand"] = on_name[drawn < 0.64]
    organic_brand = on_name[by_itself]

    other, drawn = at[~brand], chosen[~brand]
    pressed = plan.strength["nonbrand"][now.week][folk.place[other]]
    share = -0.46 * np.expm1(-1.1 * pressed)
    organic = (drawn >= share) & (drawn < share + 0.24)
    if "nonbrand" in off:
        organic |= drawn < 0.25 * share
    else:
        week.visits["nonbrand"] = other[drawn < share]
    if "organic_search" not in off:
        week.brand_organic = organic_brand
        week.visits["organic_search"] = np.concatenate([organic_brand, other[organic]])


def other_visits(folk: Folk, plan: Plan, now: Moment, off: frozenset[str], week: Week) -> None:
    """Typed addresses, listings, partner sites and physicians' referrals."""
    habit, by_itself = np.sqrt(folk.activity), folk.knobs.baseline
    direct = by_itself * (0.010 * now.patient + 0.003 * habit)
    known = by_itself * 0.12 * now.patient
    direct = direct + now.level * (by_itself * 0.06 + 0.34 * now.halo + known)
    rates = {"direct": -np.expm1(-direct)}
    for lever, base in (("directory", 0.070), ("referral_web", 0.040)):
        rates[lever] = now.level * base * plan.strength[lever][now.week][folk.place] ** 0.5
    referred = by_itself * np.where(folk.line == 0, 0.035, 0.014)
    rates["referral_physician"] = now.level * referred
    for lever, rate in rates.items():
        if lever not in off:
            drawn = folk.draws.uniform(STREAM[lever], now.week)
            week.visits[lever] = np.flatnonzero(drawn < rate)
