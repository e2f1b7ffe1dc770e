"""What each channel truly brought: what is lost when it is off and all else is drawn the same.

The estimand is the removal of one channel over the whole time, at the spend it had. Effects of
channels do not add up to the whole: two channels may need each other, or stand in for each other.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np

from attribution.demo import winback
from attribution.demo.clock import DAY, WEEK
from attribution.demo.draws import Bools, Ints
from attribution.demo.education import TIP_VISIT, TIPS, TIPS_HOLDOUT, families
from attribution.demo.folk import folk_of
from attribution.demo.knobs import Knobs
from attribution.demo.log import FULFILLED
from attribution.demo.market import LEVER, MARKETING, PAID, SWITCHES, Calendar, weekly_spend
from attribution.demo.worlds import KINDS, World, levers_off, live

KEPT_WITHIN_DAYS = 90
_SMALL = 10_000
_ESTIMAND = (
    "Conversions within the simulated weeks that are lost when the channel is off for the whole "
    "time and every random draw stays the same. Collected is in dollars, by day of posting."
)
# What these do reaches a person only through touches that the log holds.
_LOGGED = (
    "brand", "nonbrand", "display", "directory", "direct_mail", "referral_web", "organic_search",
    "organic_social", "email", "referral_physician",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """One run without something, over the people whom that can have changed."""

    off: str  # a channel, a lever, a campaign, or BASELINE
    people: Ints | None  # None: everyone
    size: int
    seed: int
    calendar: Calendar
    knobs: Knobs
    levers: frozenset[str]  # off in this run, with those that are off in the world anyway


@dataclass(frozen=True, slots=True)
class Counted:
    """What a run comes to, over its people."""

    totals: dict[str, float]
    kept: Bools | None  # for a campaign: who of those it picked kept a visit


BASELINE = "all marketing"


def truth_of(actual: World, *, processes: int | None = None) -> dict[str, Any]:
    """Run the world again without each channel, without each campaign, and without marketing."""
    channels = [*SWITCHES, "paid_search:brand", "paid_search:nonbrand"]
    names = [BASELINE, *channels, *(campaign.name for campaign in actual.campaigns)]
    size, calendar = len(actual.folk.ids), actual.calendar
    runs = [
        Run(
            name, _touched(actual, name), size, actual.seed, calendar, actual.knobs,
            actual.off | _levers(name),
        )
        for name in names
    ]  # fmt: skip
    without = dict(zip(names, _counted(runs, processes), strict=True))
    total, baseline = actual.totals(), without[BASELINE].totals
    return {
        "estimand": _ESTIMAND,
        **_unusual(actual),
        "people": size,
        "seed": actual.seed,
        "first_day": calendar.start.isoformat(),
        "last_day": calendar.until.isoformat(),
        "total": total,
        "baseline": baseline,
        "baseline_share": {kind: _share(baseline[kind], total[kind]) for kind in KINDS},
        "channels": {
            run.off: _channel(actual, run, without[run.off]) for run in runs if run.off in channels
        },
        "reactivation": {
            campaign.name: _campaign(actual, number, without[campaign.name].kept)
            for number, campaign in enumerate(actual.campaigns)
        },
        "education": {TIPS: _tips(actual)},
    }


def _tips(actual: World) -> dict[str, Any]:
    """What tips did to the families written to whose 90 days are over: their other visits stay."""
    folk, visits, calendar = actual.folk, actual.visits, actual.calendar
    extra = visits["number"] == TIP_VISIT
    at, week, treated = families(folk, {k: v[~extra] for k, v in visits.items()}, calendar)
    over = 7 * week + 1 + KEPT_WITHIN_DAYS < 7 * calendar.weeks
    at, since, treated = at[over], week[over] * WEEK + DAY + 9 * 60, treated[over]
    kept = np.zeros((2, len(folk.ids)), dtype=np.int64)
    began = np.full(len(folk.ids), np.iinfo(np.int64).max // 2)
    began[at] = since
    who = np.searchsorted(folk.ids, visits["person"])
    apart = visits["starts_at"] - began[who]
    counted = (visits["status"] == FULFILLED) & (apart > 0) & (apart <= KEPT_WITHIN_DAYS * DAY)
    np.add.at(kept[0], who[counted], 1)
    np.add.at(kept[1], who[counted & ~extra], 1)
    with_tips, without = (numbers[at[treated]] for numbers in kept)
    size = max(len(with_tips), 1)
    return {
        "holdout_share": TIPS_HOLDOUT,
        "assigned": len(at),
        "held_out": int((~treated).sum()),
        "treated": int(treated.sum()),
        "kept_within_90_days": int((with_tips > 0).sum()),
        "kept_without_message": int((without > 0).sum()),
        "lift_points": round(100 * int((with_tips > 0).sum() - (without > 0).sum()) / size, 2),
        "visits_a_person": round(int(with_tips.sum() - without.sum()) / size, 4),
    }


def _unusual(actual: World) -> dict[str, Any]:
    """How the world differs from the demo; the demo says nothing."""
    about: dict[str, Any] = {"knobs": actual.knobs.changed(), "off": sorted(actual.off)}
    return {name: value for name, value in about.items() if value}


def _levers(off: str) -> frozenset[str]:
    return MARKETING if off == BASELINE else levers_off([off])


def _touched(actual: World, off: str) -> Ints | None:
    """The people whom switching `off` off can change; nobody touches anyone else."""
    levers = _levers(off)
    wrote = [n for n, c in enumerate(actual.campaigns) if {c.name, c.channel} & levers]
    if wrote and off != BASELINE:
        told = actual.messages["person"][np.isin(actual.messages["campaign"], wrote)]
        brought = actual.visits["person"][actual.visits["number"] == TIP_VISIT]
        return np.union1d(told, brought) if "outreach_email" in levers else np.unique(told)
    if not levers <= set(_LOGGED):
        return None
    codes = [code for lever in levers for code in (LEVER[lever], -1 - LEVER[lever])]
    return np.unique(actual.touches["person"][np.isin(actual.touches["lever"], codes)])


def _counted(runs: Sequence[Run], processes: int | None) -> list[Counted]:
    if processes is None:  # starting a process costs more than a small world
        processes = 2 if runs[0].size > _SMALL else 1
    if processes == 1:
        return [_count(run) for run in runs]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return list(pool.map(_count, runs))


def _count(run: Run) -> Counted:
    people = np.arange(run.size) if run.people is None else run.people
    folk = folk_of(run.seed, people, run.knobs)
    lived = live(folk, run.seed, run.calendar, run.levers, record_touches=False)
    campaign = next((n for n, c in enumerate(lived.campaigns) if c.name == run.off), None)
    return Counted(lived.totals(), None if campaign is None else _kept_after(lived, campaign))


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0


def _channel(actual: World, run: Run, without: Counted) -> dict[str, Any]:
    total = actual.totals(run.people)
    lost = {kind: round(total[kind] - without.totals[kind], 2) for kind in KINDS}
    levers = _levers(run.off) & set(PAID) - actual.off
    size = len(actual.folk.ids)
    spend = sum(float(weekly_spend(actual.plan, lever, size).sum()) for lever in sorted(levers))
    roas = round(lost["collected"] / spend, 3) if spend else None
    return {"incremental": lost, "spend": round(spend, 2), "true_roas": roas}


def _assigned(lived: World, campaign: int) -> tuple[Ints, Bools, Ints]:
    mine = lived.messages["campaign"] == campaign
    band = winback.bands_of(lived.messages["silent_weeks"][mine].astype(np.float64))
    return lived.messages["person"][mine], lived.messages["treated"][mine] == 1, band


def _kept_after(lived: World, campaign: int) -> Bools:
    """Which people of a campaign kept a visit within 90 days after it began."""
    since = lived.campaigns[campaign].week * WEEK
    visits = lived.visits
    within = (visits["starts_at"] >= since) & (visits["booked_at"] >= since)
    within &= visits["starts_at"] < since + KEPT_WITHIN_DAYS * DAY
    within &= visits["status"] == FULFILLED
    return np.isin(_assigned(lived, campaign)[0], visits["person"][within])


def _campaign(actual: World, number: int, unasked: Bools | None) -> dict[str, Any]:
    """The campaign's effect on those it wrote to, by months of silence."""
    people, treated, band = _assigned(actual, number)
    kept, campaign = _kept_after(actual, number), actual.campaigns[number]
    if unasked is None or len(unasked) != len(kept):
        raise ValueError(f"the run without {campaign.name} picked other people")

    def effect(among: Bools) -> dict[str, Any]:
        size = int(among.sum())
        return {
            "treated": size,
            "kept_within_90_days": int(kept[among].sum()),
            "kept_without_message": int(unasked[among].sum()),
            "lift_points": round(100 * float(kept[among].mean() - unasked[among].mean()), 2)
            if size
            else None,
        }

    return {
        "channel": campaign.channel,
        "holdout_share": campaign.holdout,
        "assigned": len(people),
        "held_out": int((~treated).sum()),
        **effect(treated),
        "by_months_silent": {
            name: effect(treated & (band == position))
            for position, name in enumerate(winback.BANDS)
        },
    }
