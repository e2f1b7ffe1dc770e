"""What the CRM and the messaging system hold: contacts, deals, messages and consents."""

import numpy as np
import orjson
import pandas as pd

from attribution.demo import care, first_names, names
from attribution.demo.clock import DAY, WEEK, next_morning
from attribution.demo.draws import Bools, Ints
from attribution.demo.formats import instants
from attribution.demo.log import FULFILLED
from attribution.demo.market import LEVERS
from attribution.demo.names import Texts
from attribution.demo.web import (
    LINE_NAMES,
    PLACE_NAMES,
    local_time,
    shown_own_number,
    typed_emails,
    visit_cookies,
)
from attribution.demo.worlds import CALL, FORM, TRACKED_CALL, World, ways

_DEAL_VALUE = np.array([1800, 450, 700, 380])
_ORIGINAL = {
    "brand": "PAID_SEARCH", "nonbrand": "PAID_SEARCH", "paid_social": "PAID_SOCIAL",
    "display": "OTHER_CAMPAIGNS", "video": "OTHER_CAMPAIGNS", "directory": "REFERRALS",
    "referral_web": "REFERRALS", "organic_search": "ORGANIC_SEARCH",
    "organic_social": "SOCIAL_MEDIA", "email": "EMAIL_MARKETING", "direct": "DIRECT_TRAFFIC",
}  # fmt: skip


def contacts(world: World) -> pd.DataFrame:
    """People who asked for the first time; being created here makes them a lead."""
    way = ways(world)
    rows = np.flatnonzero(world.inquiries["known"] == 0)
    asked = {name: column[rows] for name, column in world.inquiries.items()}
    way, person, draws = way[rows], asked["person"], world.folk.draws
    created = asked["minute"] + np.where(way == FORM, 1, 9)
    kept = _first_kept(world)[person]
    became = (kept >= 0) & (kept >= created)
    seen = (way == FORM) | ((way == TRACKED_CALL) & shown_own_number(world, asked))
    cookie = visit_cookies(world, person, asked["week"], asked["lever"])
    tells = (way == FORM) | (draws.uniform(160, 0, person) < world.knobs.recorded(0.6))
    recorded = world.knobs.recorded
    named = draws.uniform(164, 0, person) < np.where(way == FORM, recorded(0.99), recorded(0.92))
    born = draws.uniform(165, 0, person) < recorded(0.55)  # who is asked for it
    original = np.array([_ORIGINAL.get(name, "OFFLINE") for name in LEVERS], dtype=object)
    source = np.where(way == CALL, "OFFLINE", original[asked["lever"]])
    since = local_time(world, created)
    reached = local_time(world, np.where(became, kept, 0))
    return pd.DataFrame(
        {
            "contact_id": names.contact_ids(person),
            "created_at": since,
            "updated_at": np.where(became, reached, since),
            "email": names.where(tells, typed_emails(world, person)),
            "phone": names.where(
                (way != FORM) | (draws.uniform(161, 0, person) < world.knobs.recorded(0.7)),
                names.formatted(names.phone_numbers(world.folk), "national")[person],
            ),
            "client_id": names.where(seen, names.client_ids(cookie)),
            "original_source": source,
            "lifecycle_stage": np.where(became, "customer", "lead"),
            "lead_at": since,
            "customer_at": pd.Series(reached).where(became),
            "preferred_channel": preferred_channels(world, person),
            "service_line": LINE_NAMES[asked["line"]],
            "location": PLACE_NAMES[world.folk.place[person]],
            "birth_year": pd.Series(world.folk.birth_year[person]).where(born),
            "given_name": names.where(named, first_names.given(world.folk)[person]),
        }
    ).sort_values(["created_at", "contact_id"], kind="stable", ignore_index=True)


def preferred_channels(world: World, person: Ints) -> Texts:
    """How each person wants to be reached, where they said so when they asked."""
    asked = np.unique(world.inquiries["person"])
    says = np.isin(person, asked) & (world.folk.draws.uniform(162, 0, person) < 0.4)
    return names.where(says, np.array(["email", "sms", "call"], dtype=object)[person % 3])


def _first_kept(world: World) -> Ints:
    """The minute of each person's first kept visit within the simulated weeks, or -1."""
    visits = world.visits
    rows = np.flatnonzero((visits["status"] == FULFILLED) & (visits["starts_at"] >= 0))
    first = np.full(len(world.folk.ids), -1)
    # Visits are in order of time, so written backwards the earliest one stays.
    first[visits["person"][rows[::-1]]] = visits["starts_at"][rows[::-1]]
    return first


def deals(world: World) -> pd.DataFrame:
    """One deal for each inquiry: won when it is booked, lost when it goes quiet."""
    asked, folk = world.inquiries, world.folk
    person, line, start = asked["person"], asked["line"], asked["start"]
    booked, _ = care.booking_minutes(folk, person, start, asked["minute"], line)
    quiet = next_morning(asked["minute"] + 14 * DAY)
    won = asked["booked"] == 1
    closed = np.where(won, booked, quiet)
    over = closed < world.calendar.weeks * WEEK
    opened = asked["minute"] + 10
    talked = next_morning(np.minimum(opened + 90, closed))
    spread = 0.8 + 0.4 * folk.draws.uniform(163, start, person)
    stage = np.where(over, np.where(won, "appointment booked", "closed lost"), "contacted")
    stamps = [instants(pd.Series(local_time(world, m))) for m in (opened, talked, closed)]
    history = [
        orjson.dumps({"new": a, "contacted": b} | ({s: c} if done else {})).decode()
        for a, b, c, s, done in zip(
            *(stamp.to_pylist() for stamp in stamps), stage.tolist(), over.tolist(), strict=True
        )
    ]
    frame = pd.DataFrame(
        {
            "deal_id": names.record_ids("D", person, start),
            "created_at": local_time(world, opened),
            "updated_at": local_time(world, np.where(over, closed, talked)),
            "contact_id": names.contact_ids(person),
            "pipeline": "patient acquisition",
            "stage": stage,
            "stage_dates": history,
            "won": np.where(over, won, None),
            "closed_at": pd.Series(local_time(world, closed)).where(over),
            "currency": "USD",
            "amount": np.round(_DEAL_VALUE[line] * spread, 2),
            "service_line": LINE_NAMES[line],
            "location": PLACE_NAMES[folk.place[person]],
        }
    )
    return frame.sort_values(["created_at", "deal_id"], kind="stable", ignore_index=True)


def messages(world: World) -> pd.DataFrame:
    """Winback messages, with a row for everyone who was held out."""
    sent = world.messages
    person, number, draws = sent["person"], sent["campaign"], world.folk.draws
    on = {c.name for c in world.campaigns} - world.off
    live = np.array([c.name in on and c.channel not in world.off for c in world.campaigns])
    email = np.array([c.channel == "outreach_email" for c in world.campaigns])[number]
    flow = np.array([c.name for c in world.campaigns], dtype=object)[number]
    treated = (sent["treated"] == 1) & live[number]
    assigned = sent["week"] * WEEK + 9 * 60
    out = assigned + 30 + (150 * draws.uniform(170, number, person)).astype(np.int64)
    arrives = treated & (draws.uniform(171, number, person) < np.where(email, 0.955, 0.975))
    keen = draws.uniform(172, number, person) < np.where(_returned(world), 0.85, 0.34)
    opens = arrives & email & keen
    acts = arrives & keen & (draws.uniform(173, number, person) < np.where(email, 0.26, 0.20))
    leaves = arrives & (draws.uniform(174, number, person) < 0.006)
    read = next_morning(
        out + 20 + (2800 * draws.uniform(175, number, person) ** 2).astype(np.int64)
    )

    def when(happened: Bools, minute: Ints) -> pd.Series:
        return pd.Series(local_time(world, minute)).where(happened)

    mail = typed_emails(world, person)
    return pd.DataFrame(
        {
            "message_id": names.record_ids("M", number, person),
            "flow": flow,
            "assigned_at": local_time(world, assigned),
            "channel": np.where(email, "email", "sms"),
            "arm": np.where(treated, "treated", "holdout"),
            "purpose": "marketing",
            "email": names.where(email, mail),
            "phone": names.where(
                ~email, names.formatted(names.phone_numbers(world.folk), "e164")[person]
            ),
            "patient_id": names.mrn(person),
            "service_line": LINE_NAMES[world.folk.line[person]],
            "sent_at": when(treated, out),
            "delivered_at": when(arrives, out + 1),
            "opened_at": when(opens, read),
            "clicked_at": when(opens & acts, read + 1),
            "replied_at": when(acts & ~email, read),
            "bounced_at": when(treated & ~arrives, out + 2),
            "unsubscribed_at": when(leaves, read + 3),
            "currency": "USD",
            "cost": np.where(treated, np.where(email, 0.003, 0.021), 0.0),
        }
    )


def _returned(world: World) -> Bools:
    """Whether each message's person came back unasked or asked in the eight weeks after it."""
    back = world.visits["reason"] == 2
    key = world.visits["person"][back] * 4096 + world.visits["booked_at"][back] // WEEK
    base = world.messages["person"] * 4096 + world.messages["week"]
    hit = np.zeros(len(base), dtype=bool)
    for weeks in range(8):
        hit |= np.isin(base + weeks, key)
    return hit


def preferences(world: World) -> pd.DataFrame:
    """What patients said about being written to; those who said nothing have no row."""
    folk, rows = world.folk, []
    for number, (channel, takes) in enumerate(
        (("email", folk.takes_email), ("sms", folk.takes_sms))
    ):
        said = folk.draws.uniform(180 + number) < np.where(takes, 0.35, 0.9)
        at = np.flatnonzero(said & folk.patient)
        days = (700 * folk.draws.uniform(182 + number, 0, at)).astype(np.int64)
        rows.append(
            pd.DataFrame(
                {
                    "preference_id": names.record_ids(f"P{channel}-", folk.ids[at]),
                    "channel": channel,
                    "purpose": "marketing",
                    "allowed": takes[at],
                    "since": local_time(world, -days * DAY + 600),
                    "how": np.array(["portal", "paper form", "front desk"], dtype=object)[at % 3],
                    "patient_id": names.mrn(folk.ids[at]),
                    "email": _text_column(typed_emails(world, folk.ids[at])),
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def _text_column(values: Texts) -> pd.Series:
    return pd.Series(values, dtype=object)
