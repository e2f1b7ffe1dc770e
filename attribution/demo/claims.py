"""What ad platforms claim for themselves: by click and by view, some of it twice, some of it late.

A platform knows its own clicks and views, also those whose tags were lost and those that stay in
the walled garden. It claims an inquiry whole, whatever else led there. Between its own campaigns
the last click wins. A claim stands on the day of the ad (Meta: on the day of the inquiry), and is
reported a few days after the inquiry: the newest days are not all in yet.
"""

import numpy as np
import pandas as pd

from attribution.demo.clock import DAY
from attribution.demo.draws import Floats, Ints
from attribution.demo.labels import SOURCE, campaign_id, campaign_name, other_source
from attribution.demo.life import CLAIMED, CLAIMS
from attribution.demo.market import LEVER, TIMEZONE
from attribution.demo.worlds import FORM, World, ways

COLUMNS = (
    "day", "timezone", "campaign_id", "campaign", "ad_group_id", "network", "medium", "action",
    "attribution_window", "counted_by", "dated", "conversions", "currency", "value",
)  # fmt: skip
LEAD_VALUE = 150.0  # what a marketer typed into the platform as the value of a lead
_PLATFORM = {"facebook": "meta", "google": "google", "youtube": "google", "bing": "microsoft"}
_WINDOWS = {
    ("meta", "click"): "7d_click", ("meta", "view"): "1d_view", ("google", "click"): "30d_click",
    ("google", "view"): "30d_view", ("microsoft", "click"): "30d_click",
}  # fmt: skip
_ACTIONS = {"meta": "lead", "google": "Lead form", "microsoft": "Submit lead form"}
_PIXEL = "offsite_conversion.fb_pixel_lead"  # Meta's other name for a lead left on the web site
_LAG_DAYS = 1.2  # from an inquiry to its report


def claimed_conversions(world: World) -> pd.DataFrame:
    """One row for each campaign, day, action and way of counting."""
    found = [part for lever in CLAIMED if len(part := _of_lever(world, lever))]
    if not found:
        return pd.DataFrame(columns=list(COLUMNS))
    claims = _once_a_platform(pd.concat(found, ignore_index=True))
    last_day = 7 * world.calendar.weeks - 1
    claims = claims[claims["reported"] <= last_day]
    named = claims.assign(action=claims["platform"].map(_ACTIONS))
    again = named[(named["platform"] == "meta") & named["is_form"]].assign(action=_PIXEL)
    return _counted(world, pd.concat([named, again], ignore_index=True))


def primary(claims: pd.DataFrame) -> pd.DataFrame:
    """The claims that a platform shows as its conversions, without those told once more."""
    return claims[claims["action"] != _PIXEL]


def _of_lever(world: World, lever: str) -> pd.DataFrame:
    """The inquiries that a lever's platform claims: by which campaign, how, and for which day."""
    asked, bit = world.inquiries, CLAIMED.index(lever)
    mine = np.flatnonzero((asked["claims"] >> bit) & 1)
    person, week, line = (asked[name][mine] for name in ("person", "week", "line"))
    asked_day = asked["minute"][mine] // DAY
    click_week, click_line = _last_click(world, lever, person, week)
    weeks = next(clicks for name, clicks, _ in CLAIMS if name == lever)
    by_click = click_week > week - weeks
    draws = world.folk.draws
    viewed_day = asked_day - (draws.uniform(200 + bit, week, person) < 0.5)
    clicked_day = 7 * click_week + _day_of_week(world, click_week, person)
    ad_week = np.where(by_click, click_week, week)
    ad_line = np.where(by_click, click_line, line)
    searched = lever in ("brand", "nonbrand")
    bing = other_source(world, lever, ad_week, person) * searched
    source, medium = SOURCE[lever]
    place = world.folk.place[person]
    network = np.where(bing == 1, "bing", source)
    names = [
        campaign_name(lever, one, spot, bing=bool(other))
        for one, spot, other in zip(ad_line.tolist(), place.tolist(), bing.tolist(), strict=True)
    ]
    return pd.DataFrame(
        {
            "inquiry": mine,
            "network": network,
            "platform": pd.Series(network).map(_PLATFORM),
            "medium": medium,
            "campaign": names,
            "counted_by": np.where(by_click, "click", "view"),
            "touched": np.minimum(np.where(by_click, clicked_day, viewed_day), asked_day),
            "asked": asked_day,
            "reported": asked_day + _lag(draws.uniform(210 + bit, week, person)),
            "is_form": ways(world)[mine] == FORM,
        }
    )


def _last_click(world: World, lever: str, person: Ints, week: Ints) -> tuple[Ints, Ints]:
    """The week and the line of the last visit by the lever up to a week; long ago for none."""
    touches = world.touches
    visits = pd.DataFrame({name: touches[name] for name in ("person", "week", "line")})
    visits = visits[touches["lever"] == LEVER[lever]].sort_values("week", kind="stable")
    visits = visits.assign(clicked=visits["week"])
    asked = pd.DataFrame({"person": person, "week": week}).reset_index()
    found = pd.merge_asof(
        asked.sort_values("week", kind="stable"), visits, on="week", by="person"
    ).sort_values("index", kind="stable")
    never = found["clicked"].isna()
    return (
        found["clicked"].where(~never, -999).to_numpy().astype(np.int64),
        found["line"].where(~never, 0).to_numpy().astype(np.int64),
    )


def _once_a_platform(claims: pd.DataFrame) -> pd.DataFrame:
    """Of a platform's campaigns the one with the last click, or where none, with the last view."""
    ranked = claims.assign(is_view=claims["counted_by"] == "view", later=-claims["touched"])
    ranked = ranked.sort_values(
        ["inquiry", "platform", "is_view", "later", "campaign"], kind="stable"
    )
    return ranked.drop_duplicates(["inquiry", "platform"])


def _counted(world: World, claims: pd.DataFrame) -> pd.DataFrame:
    by_inquiry = claims["platform"] == "meta"
    day = np.where(by_inquiry, claims["asked"], claims["touched"])
    number = claims["campaign"].map({name: campaign_id(name) for name in set(claims["campaign"])})
    keys = list(zip(claims["platform"], claims["counted_by"], strict=True))
    claims = claims.assign(
        day=np.datetime64(world.calendar.start, "D") + np.maximum(day, 0),
        campaign_id=number,
        ad_group_id=number.str[:9] + "1",
        attribution_window=[_WINDOWS[key] for key in keys],
        dated=np.where(by_inquiry, "conversion", "touch"),
    )
    grain = [c for c in COLUMNS if c not in ("timezone", "conversions", "currency", "value")]
    counted = claims.groupby(grain, as_index=False).size().rename(columns={"size": "conversions"})
    counted["conversions"] = counted["conversions"].astype(np.float64)
    counted["value"] = counted["conversions"] * LEAD_VALUE
    return counted.assign(timezone=TIMEZONE, currency="USD")[list(COLUMNS)]


def _day_of_week(world: World, week: Ints, person: Ints) -> Ints:
    """On which day of a week a person clicks, as the spend table counts its clicks."""
    drawn: Floats = world.folk.draws.uniform(121, np.maximum(week, 0), person)
    return (7 * drawn).astype(np.int64)


def _lag(uniform: Floats) -> Ints:
    lag: Ints = np.floor(-_LAG_DAYS * np.log1p(-uniform)).astype(np.int64)
    return lag
