"""What the web site and the mailing system record of people."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from attribution.demo import labels, names
from attribution.demo.clock import browse_minute
from attribution.demo.draws import Bools, Draws, Ints
from attribution.demo.exposure import STREAM
from attribution.demo.labels import other_source
from attribution.demo.log import Columns
from attribution.demo.market import LEVER, LEVERS, LINES, LOCATIONS, TIMEZONE
from attribution.demo.names import Texts
from attribution.demo.worlds import FORM, World, ways

_CLICKED = ("brand", "nonbrand", "paid_social", "display", "video")
_CLICK_PREFIX = {"google": "gclid", "bing": "msclkid", "facebook": "fbclid", "instagram": "fbclid",
                 "youtube": "gclid"}  # fmt: skip
_SEEN_SHARE = {"display": 0.34, "email": 0.55, "direct_mail": 0.15}
_SEEN_KIND = {"display": "impression", "email": "email_open", "direct_mail": "direct_mail"}
_UTM_LOST = 0.05
_OWN_NUMBER = 0.5  # of tracked calls
LINE_NAMES = np.array(LINES, dtype=object)
PLACE_NAMES = np.array(LOCATIONS, dtype=object)


Moments = npt.NDArray[np.datetime64]


def local_time(world: World, minute: Ints) -> Moments:
    """Wall-clock time of the health system, without a zone."""
    moments: Moments = np.datetime64(world.calendar.start, "s") + minute.astype("timedelta64[m]")
    return moments


def visit_cookies(world: World, person: Ints, week: Ints, lever: Ints) -> Ints:
    """The cookie of visits by a lever in a week: all that the site knows of who it was."""
    numbers = np.full(len(person), -1)
    for name in np.unique(lever).tolist():
        mine = np.flatnonzero(lever == name)
        numbers[mine] = names.cookies(world.folk, person[mine], week[mine], 140 + 2 * int(name))
    return numbers


def shown_own_number(world: World, asked: Columns) -> Bools:
    """Which callers saw a number shown to one visitor only, so that the call has a cookie."""
    drawn = world.folk.draws.uniform(127, asked["start"], asked["person"])
    swapped: Bools = drawn < world.knobs.recorded(_OWN_NUMBER)
    return swapped


def touchpoints(world: World) -> pd.DataFrame:
    """Visits, the impressions and openings that can be seen, and forms, in order of time."""
    parts = [_visits(world), *(_seen(world, lever) for lever in _SEEN_SHARE), _forms(world)]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    return table.sort_values(["at", "touch_id"], kind="stable", ignore_index=True)


def tags_of(world: World, lever: Ints, person: Ints, line: Ints, week: Ints) -> dict[str, Texts]:
    """Sources and campaigns, of visits and whatever follows from one."""
    other = np.zeros(len(lever), dtype=np.int64)
    for name in labels.OTHER_SOURCE:
        mine = np.flatnonzero(lever == LEVER[name])
        other[mine] = other_source(world, name, week[mine], person[mine])
    source, medium = labels.sources(lever, other)
    searched = np.isin(lever, [LEVER["brand"], LEVER["nonbrand"]])
    campaign = labels.campaign_names(lever, line, world.folk.place[person], other * searched)
    lost = np.isin(lever, [LEVER[n] for n in _CLICKED])
    lost &= world.folk.draws.uniform(122, week, person) < world.knobs.lost(_UTM_LOST)
    source = np.where(lost, "(direct)", source)
    medium = np.where(lost, "(none)", medium)
    campaign = names.where(~lost & (campaign != ""), campaign)
    source, medium, campaign = _strange(world, lever, person, week, source, medium, campaign)
    return {"utm_source": source, "utm_medium": medium, "utm_campaign": campaign}


def _strange(
    world: World, lever: Ints, person: Ints, week: Ints, source: Texts, medium: Texts, name: Texts
) -> tuple[Texts, Texts, Texts]:
    """Links that someone tagged in their own way, which no rule knows."""
    drawn = world.folk.draws.uniform(123, week, person)
    spark = (lever == LEVER["organic_social"]) & (drawn < 0.012)
    poster = (lever == LEVER["direct"]) & (drawn < 0.002)
    source = np.where(spark, "tt_creator", np.where(poster, "lobby_poster", source))
    medium = np.where(spark, "spark", np.where(poster, "qr", medium))
    name = np.where(spark, "creator_test", np.where(poster, "lobby_2", name))
    return source, medium, name


def _table(
    world: World,
    touch_id: Texts,
    minute: Ints,
    kind: Texts | str,
    who: dict[str, Texts | None],
    tags: dict[str, Texts],
    line: Texts | None,
    place: Texts | None,
) -> pd.DataFrame:
    empty = {"email": None, "patient_id": None, "client_id": None, "click_id": None}
    frame = pd.DataFrame(
        {"touch_id": touch_id, "at": local_time(world, minute), "kind": kind}
        | empty
        | who
        | tags
        | {"service_line": line, "location": place}
    )
    texts = [name for name in frame.columns if name != "at"]
    return frame.astype(dict.fromkeys(texts, object))


def _visits(world: World) -> pd.DataFrame:
    rows = np.flatnonzero(world.touches["lever"] >= 0)
    lever, person, week, line = (
        world.touches[name][rows] for name in ("lever", "person", "week", "line")
    )
    minute = np.zeros(len(rows), dtype=np.int64)
    for number, name in enumerate(LEVERS):
        mine = np.flatnonzero(lever == number)
        minute[mine] = browse_minute(world.folk.draws, STREAM[name] + 3, week[mine], person[mine])
    tags = tags_of(world, lever, person, line, week)
    kind = np.full(len(rows), "session", dtype=object)
    kind[np.isin(lever, [LEVER[name] for name in _CLICKED])] = "click"
    kind[tags["utm_medium"] == "(none)"] = "session"
    kind[lever == LEVER["email"]] = "email_click"
    referred = lever == LEVER["referral_physician"]
    kind[referred] = "referral"
    cookie = np.where(referred, -1, visit_cookies(world, person, week, lever))
    who: dict[str, Texts | None] = {
        "client_id": names.client_ids(cookie),
        "click_id": _click_ids(world, kind == "click", lever, person, week, tags["utm_source"]),
        # A physician's referral arrives with the patient's own data; newsletters know the address.
        "email": _mail_of(world, person, referred | (kind == "email_click")),
    }
    deep = world.folk.draws.uniform(124, week, person) < 0.55
    return _table(
        world,
        names.record_ids("t", lever, person, week),
        minute,
        kind,
        who,
        tags,
        names.where(deep, LINE_NAMES[line]),
        names.where(deep & (person % 3 > 0), PLACE_NAMES[world.folk.place[person]]),
    )


def _click_ids(
    world: World, clicked: Bools, lever: Ints, person: Ints, week: Ints, source: Texts
) -> Texts:
    out = np.full(len(lever), None, dtype=object)
    rows = np.flatnonzero(clicked)
    key = (person[rows] * 1000 + week[rows]) * 16 + lever[rows]
    drawn = (Draws(world.seed + 3, key).uniform(1) * 2**52).astype(np.int64).tolist()
    out[rows] = [
        f"{_CLICK_PREFIX.get(origin, 'clid')}.{number:013x}"
        for origin, number in zip(source[rows].tolist(), drawn, strict=True)
    ]
    return out


def _mail_of(world: World, person: Ints, known: Bools) -> Texts:
    """The address of each row's person, only where the row knows it."""
    return names.where(known, names.emails(world.folk)[person])


def _seen(world: World, lever: str) -> pd.DataFrame:
    """Impressions, openings and letters: the part of them that leaves a trace."""
    share = world.knobs.recorded(_SEEN_SHARE[lever])
    touches = world.touches
    rows = np.flatnonzero(touches["lever"] == -1 - LEVER[lever])
    person, week = touches["person"][rows], touches["week"][rows]
    keep = world.folk.draws.uniform(125, week, person) < share
    if lever == "direct_mail":  # letters to households are not recorded, those to patients are
        keep &= world.folk.patient[person]
    person, week, line = person[keep], week[keep], touches["line"][rows][keep]
    number = np.full_like(person, LEVER[lever])
    who: dict[str, Texts | None] = {}
    if lever == "display":
        shown = number * 0 + LEVER["direct"]
        who["client_id"] = names.client_ids(visit_cookies(world, person, week, shown))
    elif lever == "email":
        who["email"] = _mail_of(world, person, np.ones(len(person), dtype=bool))
    else:
        who["patient_id"] = names.mrn(np.arange(len(world.folk.ids)))[person]
    minute = browse_minute(world.folk.draws, STREAM[lever] + 2, week, person)
    tags = tags_of(world, number, person, line, week)
    kind = _SEEN_KIND[lever]
    touch_id = names.record_ids("s", number, person, week)
    return _table(world, touch_id, minute, kind, who, tags, None, None)


def _forms(world: World) -> pd.DataFrame:
    rows = np.flatnonzero(ways(world) == FORM)
    asked = {name: column[rows] for name, column in world.inquiries.items()}
    person, week, lever, line = (asked[n] for n in ("person", "week", "lever", "line"))
    who: dict[str, Texts | None] = {
        "client_id": names.client_ids(visit_cookies(world, person, week, lever)),
        "email": typed_emails(world, person),
    }
    tags = tags_of(world, lever, person, line, week)
    place = PLACE_NAMES[world.folk.place[person]]
    touch_id = names.record_ids("f", person, asked["start"])
    return _table(world, touch_id, asked["minute"], "form", who, tags, LINE_NAMES[line], place)


def typed_emails(world: World, person: Ints) -> Texts:
    """Addresses as people type them; each makes the same slip each time."""
    return names.typed(world.folk)[person]


def web_sessions(world: World, touches: pd.DataFrame) -> pd.DataFrame:
    """The site's own count by day and source: known people and everyone else."""
    visits = touches[touches["kind"].isin(["click", "session", "email_click", "form"])]
    group = visits["service_line"].fillna("home")
    form = (visits["kind"] == "form").to_numpy()
    keys = pd.DataFrame(
        {
            "day": visits["at"].to_numpy().astype("datetime64[D]").astype("datetime64[s]"),
            "utm_source": visits["utm_source"].astype(str),
            "utm_medium": visits["utm_medium"].astype(str),
            "utm_campaign": visits["utm_campaign"].fillna("(not set)").astype(str),
            "landing_group": group.astype(str),
            "sessions": np.where(form, 0, 1),
            "key_events": np.where(form, 1.0, 0.0),
        }
    )
    counted = keys.groupby(list(keys.columns[:5]), as_index=False, sort=True).sum()
    noise = Draws(world.seed + 4, np.arange(len(counted)))
    others = np.round(1.6 * counted["sessions"] * noise.uniform(1)).astype(np.int64)
    sessions = np.maximum(counted["sessions"] + others, 1)
    ids = {name: labels.campaign_id(name) for name in counted["utm_campaign"].unique()}
    ids["(not set)"] = "(not set)"
    return counted.assign(
        timezone=TIMEZONE,
        campaign_id=counted["utm_campaign"].map(ids),
        sessions=sessions,
        engaged_sessions=np.round(sessions * (0.5 + 0.25 * noise.uniform(2))).astype(np.int64),
    )
