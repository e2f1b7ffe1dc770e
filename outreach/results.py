"""Results: what a flow brought, person by person, from those who were assigned and then waited.

Assignments of our own outbox count, and those that sources tell of flows of the same name: from the
day on which the flow first held somebody out, as nobody was left alone before, and not before
visits are known. People whose time has not run out by the last day of visits, which may be long ago
where the medical record is stale, are left for later: half an outcome is none.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from attribution.errors import BadInput
from attribution.models.arm_lift import prove_level
from attribution.paths import Home
from outreach import audience
from outreach.flow import flows
from outreach.lift import Floats, Lift, lift
from outreach.outbox import Outbox

OUTCOMES = {
    "kept": "Kept visits a person",
    "reactivated": "Share of people with a kept visit",
    "money": "Money collected a person",
    "nps": "NPS of those who answered",
}
DAYS = 90


def results(
    home: Home,
    name: str,
    outbox: Outbox,
    outcome: str,
    *,
    level: float = 0.9,
) -> Iterator[str]:
    """What there is to say of a flow's effect on one outcome, in sentences."""
    prove_level(level)
    files = flows(home)
    known = files.get(name)
    days = known.outcome_days if known else DAYS
    measured, waiting = outcomes(home, name, outbox, outcome, days=days)
    if known is None and not waiting and not sum(map(len, measured)):
        raise BadInput(
            f"Nobody was ever assigned to {name!r}, and it is no flow. There are: "
            f"{', '.join(sorted(files))}."
        )
    found = lift(*measured, level=level)
    yield f"{OUTCOMES[outcome]}, within {days} days of being assigned to {name}:"
    if found is None:
        yield "Too few people in an arm whose time has run out; nothing can be said yet."
    else:
        yield from _said(found, level)
    if waiting:
        yield f"{waiting:,} people have not had their {days} days yet and are not counted."
    if outcome == "nps":
        yield "Only those who answered count, and who answers is not drawn by lot: read with care."


def outcomes(
    home: Home, name: str, outbox: Outbox, outcome: str, *, days: int = DAYS
) -> tuple[tuple[Floats, Floats, Floats, Floats], int]:
    """Outcome of the treated and the held out, the same of the year before, and who still waits."""
    if outcome not in OUTCOMES:
        raise BadInput(f"{outcome!r} is no outcome. There are: {', '.join(OUTCOMES)}.")
    text = pa.string()
    schema = pa.schema([("owner", text), ("arm", text), ("assigned_at", text)])
    ours = outbox.table(
        "select owner, arm, assigned_at from assignment where flow = ?", (name,), schema
    )
    with audience.private_store(home, audience.generation_of(home)) as driver:
        driver.register("ours", ours)
        driver.execute(_ASSIGNED, {"flow": name, "days": days})
        driver.unregister("ours")
        waiting = driver.execute("select count(*) from assigned where not is_over").fetchone()[0]
        rows = driver.execute(
            _MEASURED.format(after=_OUTCOME[outcome], before=_BEFORE[outcome]), {"days": days}
        ).fetchnumpy()
    return _arms(rows), int(waiting)


def _arms(rows: Any) -> tuple[Floats, Floats, Floats, Floats]:
    held = np.asarray(rows["arm"]) == "holdout"
    after, before = (np.asarray(rows[name], dtype=np.float64) for name in ("after", "before"))
    return after[~held], after[held], before[~held], before[held]


def _said(found: Lift, level: float) -> Iterator[str]:
    yield (
        f"treated {found.mean_treated:,.4f} ({found.treated:,} people), held out "
        f"{found.mean_held_out:,.4f} ({found.held_out:,} people)"
    )
    yield (
        f"lift {found.effect:+,.4f}, {level:.0%} interval {found.low:+,.4f} to "
        f"{found.high:+,.4f} if looked at once"
    )
    yield (
        f"{level:.0%} interval {found.anytime_low:+,.4f} to {found.anytime_high:+,.4f} however "
        "often it is looked at"
    )


_ASSIGNED = """
create or replace temp table assigned as
with
every as (
    select identity.person_id, ours.arm, cast(ours.assigned_at as timestamptz) as assigned_at
    from ours inner join identity on ours.owner = identity.identifier
    union all
    select person_id, arm, assigned_at from stg_message
    where flow = $flow and person_id is not null
),
placed as (
    select
        person_id,
        arg_min(arm, assigned_at) as arm,
        min(assigned_at) as assigned_at,
        cast(min(assigned_at) at time zone min(timezone) as date) as day
    from every cross join (select timezone from setting_report)
    group by person_id
),
-- As in int_assignments: nobody was left alone before, or nobody knows whether they came. The last
-- day of visits is that of int_reach, which the page goes by.
since as (
    select
        (select min(day) from placed where arm = 'holdout') as held_out,
        min(visited.day) as known,
        max(case when visited.day <= setting_today.today then visited.day end) as last_day
    from (
        select cast(visited_at at time zone timezone as date) as day
        from int_visits cross join setting_report
    ) as visited
    cross join setting_today
)
select
    placed.person_id,
    placed.arm,
    placed.assigned_at,
    coalesce(since.last_day >= placed.day + $days * interval '1 day', false) as is_over
from placed cross join since
where coalesce(placed.day >= since.held_out, true) and coalesce(placed.day >= since.known, true)
"""
_VISITS = """
select count(*) from int_visits
where int_visits.person_id = ripe.person_id and int_visits.visited_at
"""
_MONEY = """
select coalesce(sum(amount_micros), 0) / 1e6 from stg_payment
where stg_payment.person_id = ripe.person_id
and stg_payment.currency = (select currency from setting_report) and stg_payment.posted_at
"""
_AFTER_SPAN = "> ripe.assigned_at and {column} <= ripe.assigned_at + $days * interval '1 day'"
_BEFORE_SPAN = "<= ripe.assigned_at and {column} > ripe.assigned_at - interval '365 days'"


def _span(question: str, span: str, column: str) -> str:
    return f"({question.strip()} {span.format(column=column)})"


_SEEN, _POSTED = "int_visits.visited_at", "stg_payment.posted_at"
_OUTCOME = {
    "kept": _span(_VISITS, _AFTER_SPAN, _SEEN),
    "reactivated": f"({_span(_VISITS, _AFTER_SPAN, _SEEN)} > 0)::integer",
    "money": _span(_MONEY, _AFTER_SPAN, _POSTED),
    "nps": """(
        select avg(case nps_class when 'promoter' then 100 when 'detractor' then -100 else 0 end)
        from stg_feedback where stg_feedback.person_id = ripe.person_id and kind = 'nps'
        and answered_at > ripe.assigned_at
        and answered_at <= ripe.assigned_at + $days * interval '1 day')""",
}
_BEFORE = {
    "kept": _span(_VISITS, _BEFORE_SPAN, _SEEN),
    "reactivated": _span(_VISITS, _BEFORE_SPAN, _SEEN),
    "money": _span(_MONEY, _BEFORE_SPAN, _POSTED),
    "nps": "0",
}
_MEASURED = """
with
ripe as (
    select * from assigned where is_over
),
measured as (
    select ripe.arm, {after} as after, {before} as before from ripe
)
select arm, cast(after as double) as after, cast(before as double) as before
from measured where after is not null
"""
