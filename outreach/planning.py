"""Planning: from an audience to the outbox, and how many fell away on the way and why.

One pass in the warehouse finds who is meant, may be reached, can be reached and has been left in
peace long enough; then each is assigned to be treated or held out, and the treated are planned.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from attribution.contacts import Contacts
from attribution.errors import Busy
from attribution.forgetting import leaving
from attribution.outreach_settings import Outreach
from attribution.paths import Home
from outreach import audience, consent, holdout
from outreach.caps import COUNTS, PAST, asked_of
from outreach.flow import Flow
from outreach.outbox import COUNTED, Outbox
from outreach.pollen import out_of_reach
from outreach.rules import known_names, zone_of
from outreach.zones import zone_table

# What a channel needs to know of somebody.
KIND_OF = {"email": "email", "sms": "phone", "call": "phone", "direct_mail": "record"}
_ASSIGNED = ("person_id", "identifier", "owner", "channel")
# A message counts from when it left, which quiet hours, an approval or a busy server may put off
# for long; until then from when it was planned.
_HELD_AT = "case when state in ('planned', 'approved') then planned_at else at end"
REASONS = consent.REASONS | {
    "nobody": "is no person that records could be joined to",
    "no_address": "has no address for any channel of the flow",
    "already": "has this flow's message for this occasion",
    "lost": "could not be delivered this flow's message for this occasion",
    "rested": "had this flow's message not long ago",
    "capped": "had as many messages lately as are allowed",
    "held_out": "is held out, to measure what the flow brings",
}


@dataclass(slots=True)
class Plan:
    """What became of everyone in an audience: the planned, and the others by reason."""

    flow: Flow
    generation: int
    now: datetime
    audience: int = 0
    planned: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)
    rows: pa.Table = field(default_factory=lambda: pa.table({}))  # of the planned
    held_out: pa.Table = field(default_factory=lambda: pa.table({}))
    capped: pa.Table = field(default_factory=lambda: pa.table({}))
    notes: tuple[str, ...] = ()  # why an audience is empty, where it could hardly be otherwise


def plan(
    home: Home,
    flow: Flow,
    settings: Outreach,
    contacts: Contacts,
    outbox: Outbox,
    *,
    now: datetime | None = None,
    demo: bool = False,
) -> Plan:
    """Who would get a flow's message now; nothing is written yet."""
    generation = audience.generation_of(home)
    with audience.private_store(home, generation) as driver:
        at = now or (audience.demo_now(driver) if demo else datetime.now(UTC))
        columns = audience.ask(driver, flow, settings, at)
        known_names(flow, set(columns))
        made = Plan(flow, generation, at)
        _lend(driver, flow, settings, contacts, outbox, at)
        driver.execute(_CANDIDATES)
        consent.with_withdrawn(driver)
        driver.execute(
            "create or replace temp table verdicts as "
            + consent.verdicts_sql(
                flow.purpose, settings, third_party=flow.paid_by_third_party, now=at
            )
        )
        _choose(driver, flow, columns, settings, at, at.astimezone(zone_of(home)).date())
        fates = driver.execute(
            "select fate, count(*) as people from chosen group by fate order by fate"
        ).fetchall()
        found = driver.execute(
            "select person_id, occasion, channel, identifier, owner, source, zone, fields, arm"
            " from chosen where fate = 'eligible' order by person_id, occasion"
        ).to_arrow_table()
        made.capped = driver.execute(
            "select distinct person_id, identifier, owner, channel from chosen"
            " where fate = 'capped' order by person_id"
        ).to_arrow_table()
        if not fates:
            made.notes = tuple(out_of_reach(driver, flow))
    made.audience = sum(count for _fate, count in fates)
    made.dropped = {fate: count for fate, count in fates if fate != "eligible"}
    _assign(home, made, found)
    return made


def keep(made: Plan, outbox: Outbox, home: Home) -> int:
    """Write a plan into the outbox; how many messages are new.

    Raises Busy where another generation was published since, or somebody in the plan was forgotten.
    """
    if audience.generation_of(home) != made.generation:
        raise Busy("Other data were published meanwhile. Say it again; nothing was planned.")
    meant = (made.rows, made.held_out, made.capped)
    if not leaving(home).isdisjoint(n for each in meant for n in each["person_id"].to_pylist()):
        raise Busy("Somebody was forgotten meanwhile. Say it again; nothing was planned.")
    flow, at = made.flow, made.now.astimezone(UTC).isoformat(timespec="milliseconds")
    for arm, table in ((holdout.TREATED, made.rows), (holdout.HELD_OUT, made.held_out)):
        columns = [table.column(name).to_pylist() for name in _ASSIGNED]
        outbox.assign(
            (flow.name, person, identifier, owner, arm, channel, at, flow.purpose)
            for person, identifier, owner, channel in zip(*columns, strict=True)
        )
    capped = [made.capped.column(name).to_pylist() for name in _ASSIGNED]
    outbox.set_aside(flow.name, at, zip(*capped, strict=True))
    rows = made.rows
    names = ("person_id", "occasion", "channel", "identifier", "owner", "source", "zone", "fields")
    said = {name: rows.column(name).to_pylist() for name in names}
    keys = holdout.message_keys(
        holdout.holdout_key(home), flow.name, said["person_id"], said["occasion"]
    )
    return outbox.plan(
        flow.name,
        flow.version,
        (
            (key, flow.name, flow.version, person, identifier, owner, source, occasion, channel,
             zone, fields, "planned", "", at, at, 0, at, "", "", "", flow.purpose)
            for key, person, occasion, channel, identifier, owner, source, zone, fields in zip(
                keys, *(said[name] for name in names), strict=True
            )
        ),
    )  # fmt: skip


def occasion_of(every: str, day: date) -> str:
    """What a flow that is asked anew every so often calls its occasion."""
    year, week, _ = day.isocalendar()
    return {
        "event": "",
        "once": "once",
        "day": day.isoformat(),
        "week": f"{year}-W{week:02d}",
        "month": f"{day:%Y-%m}",
        "quarter": f"{day.year}-Q{(day.month + 2) // 3}",
    }[every]


def _assign(home: Home, made: Plan, found: pa.Table) -> None:
    known = found.column("arm").to_pylist()
    people = found.column("person_id").to_pylist()
    drawn = holdout.arms(holdout.holdout_key(home), made.flow.name, people, made.flow.holdout)
    arms = pa.array([old or new for old, new in zip(known, drawn, strict=True)], pa.string())
    out = pc.equal(arms, holdout.HELD_OUT)
    made.held_out = found.filter(out)
    made.rows = found.filter(pc.invert(out))
    made.planned = len(made.rows)
    if len(made.held_out):
        made.dropped["held_out"] = len(made.held_out)
    counts = pc.value_counts(made.rows.column("channel")).to_pylist()
    made.channels = {each["values"]: each["counts"] for each in counts}


def _lend(
    driver: Any, flow: Flow, settings: Outreach, contacts: Contacts, outbox: Outbox, at: datetime
) -> None:
    """Make temporary tables of what the warehouse does not know."""
    text = pa.string()
    since = (at - timedelta(days=max(7, flow.rest_days))).astimezone(UTC).isoformat()
    marks = ", ".join(f"'{state}'" for state in COUNTED)
    arms = pa.schema([("owner", text), ("arm", text)])
    tables = {
        "places": contacts.places(sorted({KIND_OF[channel] for channel in flow.channels})),
        "stopped": outbox.stopped(),
        "zones": zone_table(),
        "offices": _offices(settings),
        "channels": pa.table(
            {
                "channel": list(flow.channels),
                "kind": [KIND_OF[channel] for channel in flow.channels],
                "place": list(range(len(flow.channels))),
                # Systems that know people by records of their own take those and no others.
                "system": [settings.record_source(flow.name, each) for each in flow.channels],
            }
        ),
        "past": outbox.table(
            f"select owner, flow, occasion, {_HELD_AT} from message where "
            f"(flow = ? or {_HELD_AT} >= ?) and state in ({marks}) "
            # What waits of this flow is planned anew: it may not be meant any more.
            "and not (flow = ? and state in ('planned', 'approved'))",
            (flow.name, since, flow.name),
            PAST,
        ),
        "undelivered": outbox.table(
            "select owner, occasion from message where flow = ? and state = 'failed'",
            (flow.name,),
            pa.schema([("owner", text), ("occasion", text)]),
        ),
        "assigned": outbox.table(
            "select owner, arm from assignment where flow = ?", (flow.name,), arms
        ),
    }
    for name, table in tables.items():
        driver.register("incoming", table)
        driver.execute(f"create or replace temp table {name} as from incoming")
        driver.unregister("incoming")


def _said(name: str, kind: str) -> str:
    """A column as it is told to a template; instants in UTC, whatever the engine's zone is."""
    if kind.upper() == "TIMESTAMP WITH TIME ZONE":
        return f"""strftime(asked."{name}" at time zone 'UTC', '%Y-%m-%dT%H:%M:%S+00:00')"""
    return f'asked."{name}"'


def _offices(settings: Outreach) -> pa.Table:
    named = {name: each.get("timezone", "") for name, each in settings.locations.items()}
    return pa.table(
        {
            "location": pa.array(list(named), pa.string()),
            "zone": pa.array(list(named.values()), pa.string()),
        }
    )


# Every channel by which anybody in the audience could be reached: of several records the patient's.
_CANDIDATES = """
create or replace temp table candidates as
with
meant as (select distinct person_id from asked where person_id is not null),
owned as (
    select
        meant.person_id, channels.channel, channels.place, places.identifier, places.owner,
        places.source,
        row_number() over (
            partition by meant.person_id, channels.channel
            order by case when places.of = 'patient' then 0 else 1 end, places.owner, places.source
        ) as first
    from meant
    inner join identity on meant.person_id = identity.person_id
    inner join places on identity.identifier = places.owner
    inner join channels on places.kind = channels.kind
    where channels.system = ''
        or (channels.system = places.source and places.of = 'contact')
)
select person_id, channel, place, identifier, owner, source from owned where first = 1
"""


def _choose(
    driver: Any,
    flow: Flow,
    columns: Mapping[str, str],
    settings: Outreach,
    at: datetime,
    today: date,
) -> None:
    """Give everyone in the audience their channel, or the first reason why they get nothing.

    `today` is the installation's day, by which flows begin, end and come again.
    """
    own = occasion_of(flow.every, today)
    said = [name for name in columns if name not in audience.NEEDED]
    packed = [f'"{name}" := {_said(name, columns[name])}' for name in said]
    if "timezone" not in columns:
        # A time is that of the clock on the wall there; the reader's own may be an hour off.
        packed.append('"timezone" := report.timezone')
    fields = f"cast(to_json(struct_pack({', '.join(packed)})) as varchar)"
    location = "asked.location" if "location" in columns else "cast(null as varchar)"
    driver.execute(
        _CHOSEN.format(
            fields=fields,
            location=location,
            occasion="coalesce(nullif($own, ''), cast(asked.occasion as varchar), '')",
            counted=COUNTS,
        ),
        {
            "own": own,
            "flow": flow.name,
            "rested": at - timedelta(days=flow.rest_days),
            **asked_of(settings, at),
        },
    )


_CHOSEN = """
create or replace temp table chosen as
with
{counted},
had as (select distinct person_id, occasion from history where flow = $flow),
-- What failed for good is not tried again, so nobody would be written to.
lost as (
    select distinct identity.person_id, undelivered.occasion
    from undelivered inner join identity on undelivered.owner = identity.identifier
),
had_lately as (
    select person_id, max(held_at) as last_at from history where flow = $flow group by person_id
),
preferred as (
    select
        identity.person_id,
        lower(trim(raw_contact.preferred_channel)) as channel,
        row_number() over (
            partition by identity.person_id
            order by raw_contact.updated_at desc, raw_contact.contact_id
        ) as place
    from raw_contact inner join identity on raw_contact.identifier = identity.identifier
    where raw_contact.preferred_channel is not null
),
ranked as (
    select
        candidates.*,
        row_number() over (
            partition by candidates.person_id
            order by
                case when candidates.channel = preferred.channel then 0 else 1 end,
                candidates.place
        ) as rank
    from candidates
    inner join verdicts
        on candidates.person_id = verdicts.person_id and candidates.channel = verdicts.channel
    left join preferred
        on candidates.person_id = preferred.person_id and preferred.place = 1
    where verdicts.reason is null
),
why_not as (select person_id, min(reason) as reason from verdicts group by person_id),
arms as (
    select identity.person_id, max(assigned.arm) as arm
    from assigned inner join identity on assigned.owner = identity.identifier
    group by identity.person_id
),
report as (select timezone from setting_report limit 1)
select
    asked.person_id,
    {occasion} as occasion,
    ranked.channel,
    ranked.identifier,
    ranked.owner,
    ranked.source,
    coalesce(zones.zone, nullif(offices.zone, ''), report.timezone) as zone,
    {fields} as fields,
    arms.arm,
    case
        when asked.person_id is null then 'nobody'
        when had.person_id is not null then 'already'
        when lost.person_id is not null then 'lost'
        when coalesce(int_people.deceased, false) then 'deceased'
        when why_not.person_id is null then 'no_address'
        when ranked.person_id is null then why_not.reason
        when had_lately.last_at > $rested then 'rested'
        when greatest(coalesce(ours.day, 0), coalesce(theirs.day, 0)) >= $per_day then 'capped'
        when coalesce(weeks.week, 0) >= $per_week then 'capped'
        when row_number() over (
            partition by asked.person_id, coalesce(had.person_id, lost.person_id) is null
            order by {occasion}
        ) > $per_day then 'capped'
        else 'eligible'
    end as fate
from asked
cross join report
left join ranked on asked.person_id = ranked.person_id and ranked.rank = 1
left join why_not on asked.person_id = why_not.person_id
left join ours on asked.person_id = ours.person_id
left join had_lately on asked.person_id = had_lately.person_id
left join theirs on asked.person_id = theirs.person_id
left join weeks on asked.person_id = weeks.person_id
left join had on asked.person_id = had.person_id and {occasion} = had.occasion
left join lost on asked.person_id = lost.person_id and {occasion} = lost.occasion
left join int_people on asked.person_id = int_people.person_id
left join zones on int_people.zip3 = zones.zip3
left join arms on asked.person_id = arms.person_id
left join offices on {location} = offices.location
"""
