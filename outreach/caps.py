"""Frequency caps: how many messages somebody had lately, of ours and of other systems.

They are asked when a message is planned, of what waits too; and again when it leaves, of what has
left: it may have waited for longer than a cap looks back, and so may others.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from attribution.outreach_settings import Outreach
from outreach.outbox import LEFT, Outbox
from outreach.told import SOURCE as OURSELVES

# Messages of ours that count, and since when.
PAST = pa.schema([(name, pa.string()) for name in ("owner", "flow", "occasion", "held_at")])
# Tables of a question: what somebody had in a day and in a week, by $at. Reads `past`.
COUNTS = """history as (
    select
        identity.person_id, past.flow, past.occasion, cast(past.held_at as timestamptz) as held_at
    from past inner join identity on past.owner = identity.identifier
),
ours as (
    select person_id, count(*) filter (where held_at > $day) as day from history group by person_id
),
theirs as (
    select
        person_id,
        count(*) filter (where sent_at > $day) as day
    from stg_message
    where was_sent and sent_at > $week and sent_at <= $at and person_id is not null
    group by person_id
),
-- Other systems tell of what they sent for us too. So of one day the greater number counts, and
-- days are added up.
days as (
    select person_id, cast(held_at at time zone 'UTC' as date) as day, 1 as our, 0 as their
    from history where held_at > $week
    union all
    select person_id, cast(sent_at at time zone 'UTC' as date), 0, 1
    from stg_message
    where
        was_sent and sent_at > $week and sent_at <= $at and person_id is not null
        and source <> $ourselves
),
weeks as (
    select person_id, sum(greatest(our, their)) as week
    from (
        select person_id, day, sum(our) as our, sum(their) as their
        from days group by person_id, day
    ) as counted
    group by person_id
)"""


def asked_of(settings: Outreach, at: datetime) -> dict[str, Any]:
    """What `COUNTS` and who compares them with the caps must be told."""
    return {
        "at": at,
        "day": at - timedelta(days=1),
        "week": at - timedelta(days=7),
        "per_day": settings.per_day,
        "per_week": settings.per_week,
        "ourselves": OURSELVES,
    }


def capped(
    driver: Any, outbox: Outbox, settings: Outreach, rows: Sequence[dict[str, Any]], at: datetime
) -> set[str]:
    """The keys of messages that would be one too many for their person, if they left now."""
    leaving = pa.table(
        {
            "key": pa.array([row["key"] for row in rows], pa.string()),
            "person_id": pa.array([row["person_id"] for row in rows], pa.int64()),
        }
    )
    driver.register("leaving", leaving)
    try:
        owners = driver.execute(
            "select identifier from identity where person_id in (select person_id from leaving)"
        ).fetchall()
        marks = ", ".join(f"'{state}'" for state in LEFT)
        past = outbox.table(
            f"select owner, flow, occasion, at from message where state in ({marks}) and at >= ? "
            "and owner in (select value from json_each(?))",
            (
                (at - timedelta(days=7)).astimezone(UTC).isoformat(timespec="milliseconds"),
                json.dumps([owner for (owner,) in owners]),
            ),
            PAST,
        )
        driver.register("past", past)
        found = driver.execute(f"with {COUNTS}, {_TOO_MANY}", asked_of(settings, at)).fetchall()
    finally:
        driver.unregister("leaving")
        driver.unregister("past")
    return {key for (key,) in found}


_TOO_MANY = """
placed as (
    select key, person_id, row_number() over (partition by person_id order by key) as place
    from leaving
)
select placed.key
from placed
left join ours on placed.person_id = ours.person_id
left join theirs on placed.person_id = theirs.person_id
left join weeks on placed.person_id = weeks.person_id
where
    greatest(coalesce(ours.day, 0), coalesce(theirs.day, 0)) + placed.place > $per_day
    or coalesce(weeks.week, 0) + placed.place > $per_week
"""
