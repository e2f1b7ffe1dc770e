"""What each channel truly brought: what is lost when it is off and all else is drawn the same.

The estimand is the removal of one channel over the whole time, at the spend it had. Effects of
channels do not add up to the whole: two channels may need each other, or stand in for each other.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from typing import Any

import numpy as np

from attribution.demo import winback
from attribution.demo.clock import DAY, WEEK
from attribution.demo.draws import Bools, Ints
from attribution.demo.log import FULFILLED
from attribution.demo.market import CHANNEL_OF, MARKETING, PAID, SWITCHES, weekly_spend
from attribution.demo.worlds import KINDS, World, world

KEPT_WITHIN_DAYS = 90
_ESTIMAND = (
    "Conversions within the simulated weeks that are lost when the channel is off for the whole "
    "time and every random draw stays the same. Collected is in dollars, by day of posting."
)
Run = tuple[int, int, date, int, frozenset[str]]
Counted = tuple[dict[str, float], dict[str, Any]]


def truth_of(actual: World, *, processes: int = 2) -> dict[str, Any]:
    """Run the world again without each channel, without each campaign, and without marketing."""
    names = [frozenset([c]) for c in (*SWITCHES, "paid_search:brand", "paid_search:nonbrand")]
    names.append(MARKETING)
    names += [frozenset([campaign.name]) for campaign in actual.campaigns]
    size, calendar = len(actual.folk.ids), actual.calendar
    runs = [(size, actual.seed, calendar.until, 7 * calendar.weeks, off) for off in names]
    total = actual.totals()
    counted = _counted(runs, processes)
    without = dict(zip(names, counted, strict=True))
    baseline = without[MARKETING][0]
    switches = [c for c in names if len(c) == 1 and not next(iter(c)).startswith("winback_")]
    return {
        "estimand": _ESTIMAND,
        "people": size,
        "seed": actual.seed,
        "first_day": calendar.start.isoformat(),
        "last_day": calendar.until.isoformat(),
        "total": total,
        "baseline": baseline,
        "baseline_share": {kind: _share(baseline[kind], total[kind]) for kind in KINDS},
        "channels": {
            next(iter(off)): _channel(actual, next(iter(off)), total, without[off][0])
            for off in switches
        },
        "reactivation": {
            campaign.name: _campaign(actual, number, without[frozenset([campaign.name])][1])
            for number, campaign in enumerate(actual.campaigns)
        },
    }


def _counted(runs: Sequence[Run], processes: int) -> list[Counted]:
    if processes == 1:
        return [_count(run) for run in runs]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return list(pool.map(_count, runs))


def _count(run: Run) -> Counted:
    """One run, reduced to what the truth needs; runs in a process of its own."""
    people, seed, until, days, off = run
    lived = world(people, seed, off, until=until, days=days)
    campaign = next((n for n, c in enumerate(lived.campaigns) if c.name in off), None)
    kept = {} if campaign is None else {"kept": _kept_after(lived, campaign)}
    return lived.totals(), kept


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0


def _channel(
    actual: World, name: str, total: dict[str, float], without: dict[str, float]
) -> dict[str, Any]:
    lost = {kind: round(total[kind] - without[kind], 2) for kind in KINDS}
    levers = [lever for lever in PAID if name in (CHANNEL_OF[lever], f"paid_search:{lever}")]
    size = len(actual.folk.ids)
    spend = sum(float(weekly_spend(actual.plan, lever, size).sum()) for lever in levers)
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


def _campaign(actual: World, number: int, without: dict[str, Any]) -> dict[str, Any]:
    """The campaign's effect on those it wrote to, by months of silence."""
    people, treated, band = _assigned(actual, number)
    kept, unasked = _kept_after(actual, number), without["kept"]
    campaign = actual.campaigns[number]

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
