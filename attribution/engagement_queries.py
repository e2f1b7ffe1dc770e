"""Questions about messages: what became of them, how people tire of them, what flows bring."""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from attribution.queries import Marts, Scope

GRAIN = ("flow", "channel", "purpose", "topic", "channel_wish")
COUNTS = (
    *("people", "sent", "delivered", "responded", "opened", "machine_opened", "clicked"),
    *("replied", "opted_out"),
)
ENGAGEMENT = sa.table("engagement", *map(sa.column, (*GRAIN, "weeks", "week", *COUNTS)))
TIRING = (
    *("people", "messages", "responded", "opted_out", "messages_squared", "responded_squared"),
    *("opted_out_squared", "messages_responded", "messages_opted_out"),
)
FATIGUE = sa.table(
    "fatigue",
    *map(sa.column, ("window_days", "channel", "had", "most_people", "most_responders", *TIRING)),
)
BROUGHT = ("people", "waiting", "reached", "responded", "booked", "returned", "kept", "cents")
_SUMS = (
    *("kept_squared", "before_kept", "before_kept_squared", "kept_both", "returned_both"),
    *("booked_both", "cents_squared", "before_cents", "before_cents_squared", "cents_both"),
)
EFFECTS = sa.table(
    "flow_effects", *map(sa.column, ("flow", "arm", "topic", "purpose", *BROUGHT, *_SUMS))
)
ENDS = ("effect", "low", "high", "anytime_low", "anytime_high")
LIFTS = sa.table("flow_lifts", *map(sa.column, ("flow", "outcome", *ENDS)))
TAUGHT = ("tips", "pollen", "video")


def messages(at: Marts, scope: Scope) -> pd.DataFrame:
    """What became of the messages that were sent in the scope's weeks.

    Columns: flow, channel, purpose, topic, channel_wish, week, and counts of messages; `people` are
    the different people of the row. Where small cells are folded a row is of four weeks and counts
    people, and opens, clicks, replies and opt-outs are missing.
    """
    mart = ENGAGEMENT
    statement = (
        sa.select(*(mart.c[name] for name in (*GRAIN, "week", *COUNTS)))
        .where(
            mart.c.weeks == (4 if at.protected else 1),
            mart.c.week.between(scope.since, scope.until),
        )
        .order_by(mart.c.week, *(mart.c[name] for name in GRAIN))
    )
    return at.ask(statement).astype(dict.fromkeys(COUNTS, "float64"))


def any_messages(at: Marts) -> bool:
    """Whether anything was ever sent, as far as the reader may know."""
    return not at.ask(sa.select(ENGAGEMENT.c.flow).limit(1)).empty


def fatigue(at: Marts) -> pd.DataFrame:
    """Delivered messages by how many their person had had, of the whole span.

    Columns: window_days, channel, had, and sums over people. Where small cells are folded it is of
    30 days, and each person counts once, with the message at which they had most; opt-outs are
    missing.
    """
    mart = FATIGUE
    statement = sa.select(*mart.c).order_by(mart.c.window_days, mart.c.channel, mart.c.had)
    frame = at.ask(statement).astype(dict.fromkeys(TIRING, "float64"))
    if not at.protected:
        return frame
    answered = ("responded", "responded_squared", "messages_responded")
    once = dict.fromkeys(("people", "messages", "messages_squared"), "most_people")
    once |= dict.fromkeys(answered, "most_responders")
    return frame.assign(**{name: frame[of].astype("float64") for name, of in once.items()})


def effects(at: Marts, topics: Sequence[str] = TAUGHT) -> pd.DataFrame:
    """What people did after messages of some topics (of all, where none is named), by flow and arm.

    Columns: flow, arm, topic, purpose, numbers of people, kept visits, money in hundredths, and the
    sums that `arm_lift.sums` takes. Empty where small cells are folded.
    """
    mart = EFFECTS
    numbers = dict.fromkeys((*BROUGHT, *_SUMS), "float64")
    statement = (
        sa.select(*mart.c)
        .where(mart.c.topic.in_(topics) if topics else sa.true())
        .order_by(mart.c.topic, mart.c.flow, mart.c.arm.desc())
    )
    return at.ask(statement).astype(numbers)


def lifts(at: Marts) -> pd.DataFrame:
    """What was added where people were held out: shares alone, for every reader.

    Columns: flow, outcome, effect, low, high, anytime_low, anytime_high.
    """
    return at.ask(sa.select(*LIFTS.c).order_by(LIFTS.c.flow, LIFTS.c.outcome.desc()))
