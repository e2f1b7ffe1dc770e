"""What the messaging system holds of tips, warnings and films, and what mail programs did to them.

Truth of who answers: a message by the channel that somebody prefers is answered a quarter more
often; each message of the last 30 days takes a tenth off; each of the last 90 makes it likelier
that somebody has had enough, and whoever has gets nothing more that way.
"""

import numpy as np
import pandas as pd

from attribution.demo import education, names
from attribution.demo.clock import DAY, next_morning
from attribution.demo.crm import preferred_channels
from attribution.demo.draws import Bools, Floats, Ints
from attribution.demo.education import FLOWS, POLLEN, TIPS, VIDEO, Sent
from attribution.demo.emr import allergic
from attribution.demo.web import LINE_NAMES, local_time, typed_emails
from attribution.demo.worlds import World

PREFERRED, TIRING, LEAVING = 1.25, 0.90, 1.35
_PURPOSE = {TIPS: "marketing", POLLEN: "treatment", VIDEO: "treatment"}
_OPENS = np.array([0.40, 0.52, 0.46])  # by flow, an e-mail that came alone
_CLICKS = np.array([0.24, 0.30, 0.48])  # of opened e-mails
_REPLIES = 0.11  # to a text message
_LEAVES = np.array([0.0040, 0.0015, 0.0012])
_SHIELDED = 0.34  # whose mail program fetches every picture, and hides that they look at it
_FAR = 1 << 24  # more minutes than there are


def messages(world: World) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Contract rows of messages, everyone held out included, and of openings by programs."""
    folk, calendar = world.folk, world.calendar
    flows = (
        education.tips(folk, world.visits, calendar),
        education.warnings(folk, world.visits, calendar, allergic(world), world.seed),
        education.videos(folk, world.visits, calendar),
    )
    flow = np.repeat(np.arange(len(flows)), [len(each.person) for each in flows])
    rows = _together(flows)
    off = bool({"outreach_email", TIPS} & world.off)
    rows["treated"] &= ~(off & (flow == FLOWS.index(TIPS)))
    email = _by_email(world, rows["person"], flow)
    answered = _answered(world, rows, flow, email)
    stays = ~_had_enough(rows, email, answered["leaves"])
    rows, flow, email = {k: v[stays] for k, v in rows.items()}, flow[stays], email[stays]
    answered = {name: column[stays] for name, column in answered.items()}
    return _rows(world, rows, flow, email, answered), _programs(world, rows, answered)


def _together(flows: tuple[Sent, ...]) -> dict[str, Ints]:
    return {
        name: np.concatenate([getattr(each, name) for each in flows])
        for name in ("person", "minute", "number", "treated")
    }


def _by_email(world: World, person: Ints, flow: Ints) -> Bools:
    """Warnings go by text where they may, unless somebody prefers mail; all else by mail."""
    folk, wish = world.folk, preferred_channels(world, person)
    may_text, may_mail = folk.takes_sms[person], folk.takes_email[person]
    mail: Bools = (flow != FLOWS.index(POLLEN)) | ~may_text | ((wish == "email") & may_mail)
    return mail


def _lately(world: World, rows: dict[str, Ints], days: int) -> Ints:
    """How many messages each one's person had in so many days, this one included."""
    old, treated = world.messages, rows["treated"].astype(bool)
    written = old["treated"] == 1
    person = np.concatenate([rows["person"][treated], old["person"][written]])
    minute = np.concatenate([rows["minute"][treated], old["week"][written] * 7 * DAY + 10 * 60])
    every = np.sort(person * _FAR + minute)
    key = rows["person"] * _FAR + rows["minute"]
    had: Ints = np.searchsorted(every, key, side="right") - np.searchsorted(
        every, key - np.minimum(rows["minute"], days * DAY), side="left"
    )
    return np.maximum(had, 1)


def _answered(world: World, rows: dict[str, Ints], flow: Ints, email: Bools) -> dict[str, Ints]:
    """Flags: arrives, opens, acts (a click or a reply), leaves, shielded; `read` is a minute."""
    draws, person, number = world.folk.draws, rows["person"], rows["number"]
    wish = preferred_channels(world, person)
    prefers = wish == np.where(email, "email", "sms")
    keen: Floats = np.where(prefers, PREFERRED, 1.0) * TIRING ** (_lately(world, rows, 30) - 1)
    arrives = rows["treated"].astype(bool) & (
        draws.uniform(224, number, person) < np.where(email, 0.965, 0.98)
    )
    opens = arrives & email & (draws.uniform(225, number, person) < _OPENS[flow] * keen)
    mail_acts = opens & (draws.uniform(226, number, person) < _CLICKS[flow])
    text_acts = arrives & ~email & (draws.uniform(226, number, person) < _REPLIES * keen)
    shielded = draws.uniform(227, 0, person) < _SHIELDED
    enough = _LEAVES[flow] * LEAVING ** (_lately(world, rows, 90) - 1)
    wait = (2000 * draws.uniform(228, number, person) ** 2).astype(np.int64)
    return {
        "arrives": arrives,
        # Where a program hides whether somebody looks, only a click shows it.
        "opens": opens & (mail_acts | ~shielded),
        "clicks": mail_acts,
        "replies": text_acts,
        "leaves": arrives & (draws.uniform(229, number, person) < enough),
        "shielded": arrives & email & shielded,
        "read": next_morning(rows["minute"] + 15 + wait),
    }


def _had_enough(rows: dict[str, Ints], email: Bools, leaves: Ints) -> Bools:
    """The rows after the one at which their person left this channel."""
    way = rows["person"] * 2 + email
    left = np.full(way.max() + 1 if len(way) else 0, _FAR)
    gone = leaves.astype(bool)
    np.minimum.at(left, way[gone], rows["minute"][gone])
    late: Bools = rows["minute"] > left[way]
    return late


def _rows(
    world: World, rows: dict[str, Ints], flow: Ints, email: Bools, answered: dict[str, Ints]
) -> pd.DataFrame:
    person, minute = rows["person"], rows["minute"]
    treated, read = rows["treated"].astype(bool), answered["read"]

    def when(happened: Ints, at: Ints) -> pd.Series:
        return pd.Series(local_time(world, at)).where(happened.astype(bool))

    names_of = np.array(FLOWS, dtype=object)
    purposes = np.array([_PURPOSE[name] for name in FLOWS], dtype=object)
    return pd.DataFrame(
        {
            "message_id": names.record_ids("M", rows["number"], person),
            "flow": names_of[flow],
            "assigned_at": local_time(world, minute),
            "channel": np.where(email, "email", "sms"),
            "arm": np.where(treated, "treated", "holdout"),
            "purpose": purposes[flow],
            "email": names.where(email, typed_emails(world, person)),
            "phone": names.where(
                ~email, names.formatted(names.phone_numbers(world.folk), "e164")[person]
            ),
            "patient_id": names.mrn(person),
            "service_line": LINE_NAMES[world.folk.line[person]],
            "sent_at": when(treated, minute + 5),
            "delivered_at": when(answered["arrives"], minute + 6),
            "opened_at": when(answered["opens"], read),
            "clicked_at": when(answered["clicks"], read + 1),
            "replied_at": when(answered["replies"], read),
            "bounced_at": when(treated & ~answered["arrives"].astype(bool), minute + 7),
            "unsubscribed_at": when(answered["leaves"], read + 3),
            "currency": "USD",
            "cost": np.where(treated, np.where(email, 0.003, 0.021), 0.0),
        }
    )


def _programs(world: World, rows: dict[str, Ints], answered: dict[str, Ints]) -> pd.DataFrame:
    shown = answered["shielded"].astype(bool)
    person, number = rows["person"][shown], rows["number"][shown]
    return pd.DataFrame(
        {
            "event_id": names.record_ids("O", number, person),
            "message_id": names.record_ids("M", number, person),
            "at": local_time(world, rows["minute"][shown] + 8),
            "event": "opened",
            "channel": "email",
            "flow": "fetched",
            "machine": True,
            "patient_id": names.mrn(person),
        }
    )
