"""What ad platforms and media agencies report: spend, impressions, clicks and claims by day."""

import numpy as np
import pandas as pd

from attribution.demo import claims
from attribution.demo.draws import Draws, Floats, Ints
from attribution.demo.labels import (
    OTHER_SOURCE,
    SOURCE,
    campaign_id,
    campaign_name,
    other_source,
)
from attribution.demo.life import CLAIMED
from attribution.demo.market import LEVER, LINES, LOCATIONS, PAID, TIMEZONE, weekly_spend
from attribution.demo.worlds import World

# Dollars a click, clicks an impression.
_CLICK_PRICE = {
    "brand": 2.1, "nonbrand": 5.2, "paid_social": 1.7, "display": 1.3, "video": 2.6,
    "directory": 6.0, "direct_mail": 0.0, "offline_media": 0.0, "referral_web": 3.2,
}  # fmt: skip
_CLICK_RATE = {
    "brand": 0.19, "nonbrand": 0.052, "paid_social": 0.011, "display": 0.0035, "video": 0.006,
    "directory": 0.045, "direct_mail": 0.0, "offline_media": 0.0, "referral_web": 0.012,
}  # fmt: skip
_BY_WEEKDAY = np.array([1.10, 1.10, 1.06, 1.02, 0.96, 0.86, 0.90]) / 7
_LINE_BUDGET = np.array([0.34, 0.22, 0.22, 0.22])


def ad_spend(world: World, claimed: pd.DataFrame | None = None) -> pd.DataFrame:
    """One row for each campaign and day; `claimed` is what `claimed_conversions` says."""
    told = claims.primary(claims.claimed_conversions(world) if claimed is None else claimed)
    by_day = told.groupby(["campaign_id", "day"])["conversions"].sum()
    tables = [_lever(world, lever, by_day) for lever in PAID if lever not in world.off]
    columns = [
        "day", "timezone", "campaign_id", "campaign", "ad_group_id", "ad_group", "network",
        "medium", "currency", "spend", "impressions", "clicks", "claimed_conversions",
        "claimed_value",
    ]  # fmt: skip
    return (
        pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
    )


def _cells(lever: str) -> list[tuple[str, int, int, int, float]]:
    """Campaigns of a lever: name, line, place, whether Bing, and its share of a place's money."""
    cells: dict[str, tuple[str, int, int, int, float]] = {}
    share = OTHER_SOURCE[lever][1] if lever in ("brand", "nonbrand") else 0.0
    for line in range(len(LINES)):
        for place in range(len(LOCATIONS)):
            for bing, part in ((0, 1 - share), (1, share)):
                if part:
                    name = campaign_name(lever, line, place, bing=bool(bing))
                    weight = part * float(_LINE_BUDGET[line])
                    # Each place keeps its own row here; campaigns over places are summed below.
                    key = f"{name}|{place}"
                    before = cells.get(key, (name, line, place, bing, 0.0))[4]
                    cells[key] = (name, line, place, bing, before + weight)
    return list(cells.values())


def _lever(world: World, lever: str, claimed: "pd.Series[float]") -> pd.DataFrame:
    """All campaigns of one lever."""
    weekly = weekly_spend(world.plan, lever, len(world.folk.ids))
    days = 7 * world.calendar.weeks
    day = np.arange(days)
    spent: dict[str, Floats] = {}
    bing_of: dict[str, int] = {}
    for name, _, place, bing, share in _cells(lever):
        noise = 0.93 + 0.14 * Draws(
            world.seed + 7, day + 10_000 * int(campaign_id(name)[:6])
        ).uniform(1)
        money = weekly[day // 7, place] * share * _BY_WEEKDAY[day % 7] * noise
        spent[name] = spent.get(name, np.zeros(days)) + money
        bing_of[name] = bing
    own = _clicks(world, lever, days)
    rows = [
        _campaign(world, lever, name, bing_of[name], money, own.get(name), claimed)
        for name, money in spent.items()
    ]
    return pd.concat(rows, ignore_index=True)


def _campaign(
    world: World,
    lever: str,
    name: str,
    bing: int,
    money: Floats,
    own: Ints | None,
    claimed: "pd.Series[float]",
) -> pd.DataFrame:
    days = len(money)
    price, rate = _CLICK_PRICE[lever], _CLICK_RATE[lever]
    noise = Draws(world.seed + 8, np.arange(days) + 10_000 * int(campaign_id(name)[:6]))
    bought = money / price * (0.8 + 0.4 * noise.uniform(1)) if price else np.zeros(days)
    clicks = np.round(bought).astype(np.int64) + (own if own is not None else 0)
    shown = clicks / rate * (0.9 + 0.2 * noise.uniform(2)) if rate else 40 * money
    source, medium = SOURCE[lever]
    number = campaign_id(name)
    day = np.datetime64(world.calendar.start, "D") + np.arange(days)
    leads = np.full(days, np.nan)
    if lever in CLAIMED:
        mine = claimed[claimed.index.get_level_values("campaign_id") == number].droplevel(0)
        leads = mine.reindex(day, fill_value=0.0).to_numpy()
    frame = pd.DataFrame(
        {
            "day": day,
            "timezone": TIMEZONE,
            "campaign_id": number,
            "campaign": name,
            "ad_group_id": number[:9] + "1",
            "ad_group": f"{name}_main",
            "network": "bing" if bing else source,
            "medium": medium,
            "currency": "USD",
            "spend": np.round(money, 2),
            "impressions": np.round(shown).astype(np.int64),
            "clicks": clicks,
            "claimed_conversions": leads,
            "claimed_value": leads * claims.LEAD_VALUE,
        }
    )
    return frame[(frame["spend"] > 0) | (frame["clicks"] > 0)]


def _clicks(world: World, lever: str, days: int) -> dict[str, Ints]:
    """Clicks of known people, by campaign and day."""
    touches = world.touches
    mine = np.flatnonzero(touches["lever"] == LEVER[lever])
    person, week, line = (touches[name][mine] for name in ("person", "week", "line"))
    day = 7 * week + (7 * world.folk.draws.uniform(121, week, person)).astype(np.int64)
    return _by_campaign(world, lever, person, week, line, day, days)


def _by_campaign(
    world: World, lever: str, person: Ints, week: Ints, line: Ints, day: Ints, days: int
) -> dict[str, Ints]:
    bing = other_source(world, lever, week, person) * (lever in ("brand", "nonbrand"))
    place = world.folk.place[person]
    cell = (line * len(LOCATIONS) + place) * 2 + bing
    counted: dict[str, Ints] = {}
    for number in np.unique(cell).tolist():
        name = campaign_name(lever, number // 6, number // 2 % 3, bing=bool(number % 2))
        found = np.bincount(day[cell == number], minlength=days).astype(np.int64)
        counted[name] = counted.get(name, np.zeros(days, dtype=np.int64)) + found
    return counted
