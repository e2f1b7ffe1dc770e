"""Questions about messages: what became of them, how people tire of them, what flows bring."""

import pandas as pd
import sqlalchemy as sa

from attribution.models.arm_lift import Sums
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
    "fatigue", *map(sa.column, ("window_days", "channel", "had", "responders", *TIRING))
)
BROUGHT = ("people", "waiting", "reached", "responded", "booked", "returned", "kept", "cents")
_SUMS = (
    *("kept_squared", "before_kept", "before_kept_squared", "kept_both", "returned_both"),
    *("booked_both", "cents_squared", "before_cents", "before_cents_squared", "cents_both"),
)
EFFECTS = sa.table(
    "flow_effects", *map(sa.column, ("flow", "arm", "topic", "purpose", *BROUGHT, *_SUMS))
)
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

    Columns: window_days, channel, had, and sums over people. Where small cells are folded each
    person counts with their first message of the row alone; opt-outs are missing.
    """
    mart = FATIGUE
    statement = sa.select(*mart.c).order_by(mart.c.window_days, mart.c.channel, mart.c.had)
    frame = at.ask(statement).astype(dict.fromkeys(TIRING, "float64"))
    if not at.protected:
        return frame
    once = dict.fromkeys(("messages", "messages_squared"), frame["people"])
    answered = ("responded", "responded_squared", "messages_responded")
    return frame.assign(**once, **dict.fromkeys(answered, frame["responders"].astype("float64")))


def effects(at: Marts) -> pd.DataFrame:
    """What people did after tips, warnings and videos; a row for each flow and arm.

    Columns: flow, arm, topic, purpose, numbers of people, kept visits, money in hundredths, and the
    sums that `sums` takes, of which those that are not people are missing where small cells are
    folded.
    """
    mart = EFFECTS
    numbers = dict.fromkeys((*BROUGHT, *_SUMS), "float64")
    statement = (
        sa.select(*mart.c)
        .where(mart.c.topic.in_(TAUGHT))
        .order_by(mart.c.topic, mart.c.flow, mart.c.arm.desc())
    )
    return at.ask(statement).astype(numbers)


def sums(row: dict[str, float], outcome: str, *, adjusted: bool = True) -> Sums:
    """The sums of one outcome of a flow's arm: a person's booking or return, visits, or money.

    Unless `adjusted` nothing is known from before.
    """
    people = int(row["people"])
    # Of a thing that a person does or not, the square is the thing itself.
    if not adjusted:
        return Sums(people, row[outcome], row[outcome], 0.0, 0.0, 0.0)
    if outcome == "money":
        hundred = 100.0
        return Sums(
            people,
            row["cents"] / hundred,
            row["cents_squared"] / hundred**2,
            row["before_cents"] / hundred,
            row["before_cents_squared"] / hundred**2,
            row["cents_both"] / hundred**2,
        )
    squared = row["kept_squared"] if outcome == "kept" else row[outcome]
    before = row["before_kept"], row["before_kept_squared"]
    return Sums(people, row[outcome], squared, *before, row[f"{outcome}_both"])
