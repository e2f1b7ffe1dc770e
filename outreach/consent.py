"""Consent: who may be reached how for which purpose, by all that anybody said anywhere.

Two things are asked of every message. Of the person: whether the rule of the purpose and channel
is met (`opt_in` needs a permission that no later refusal took back; `opt_out` only that there is
no such refusal). And of the address, whoever's it is: whether it asked to be left alone, or
bounced. A number that a family shares is left alone for all of them.

A permission counts from when it begins until it ends, by the clock and not by the last refresh; a
refusal counts whenever it is said.
"""

from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from attribution.models.channel_words import meanings
from attribution.outreach_settings import OPT_IN, Outreach

REASONS = {
    "opted_out": "asked not to be reached this way",
    "no_consent": "gave no consent for this purpose and channel",
    "no_authorisation": "signed no authorisation for what a third party pays for",
    "address_stopped": "the address asked to be left alone",
    "bounced": "the address does not exist any more",
    "deceased": "has died",
}

# How somebody speaks who answers a message with STOP, or reports it as spam.
_REPLIED = "answered|unsubscribed|complained|reply|stop"


def verdicts_sql(purpose: str, settings: Outreach, *, third_party: bool, now: datetime) -> str:
    """SQL with a row for each of `candidates` (person_id, channel, identifier): may it be sent?

    `reason` is null where it may. Reads what sources told, and `stopped` (person_id, identifier,
    channel, purpose, since, hard), which are refusals that reached us directly.
    """
    wide = "true" if settings.stop_means == "channel" else "false"
    at = f"timestamptz '{now.astimezone(UTC).isoformat()}'"
    holds = (
        f"(not raw.allowed or (raw.since <= {at} and coalesce(raw.starts_at <= {at}, true)"
        f" and coalesce(raw.ends_at > {at}, true)))"
    )
    asked = ", ".join(
        f"('{channel}')" for channel, rule in settings.consent[purpose].items() if rule == OPT_IN
    )
    authorised = (
        "max(case when said.allowed and regexp_matches(lower(said.how), 'authori[sz]')"
        " then said.since end)"
        if third_party
        else "max(case when said.allowed then said.since end)"
    )
    return f"""
with
opt_in as (select * from (values {asked or "('')"}) as channels (channel)),
-- A generation of before an upgrade lacks columns that the contract gained since: nothing is told.
told as (
    select * from raw_preference
    union all by name
    select
        null::timestamptz as updated_at, null::timestamptz as starts_at,
        null::timestamptz as ends_at
    where false
),
-- What holds now: a permission that was withdrawn, has ended, or is yet to begin, must not stand
-- before a refusal.
standing as (
    select raw.* from told as raw
    left join raw_withdrawn as withdrawn
        on raw.source = withdrawn.source and raw.account = withdrawn.account
            and withdrawn.table_name = 'preference' and raw.preference_id = withdrawn.record_id
            and coalesce(raw.updated_at, raw.since) <= withdrawn.withdrawn_at
    where {holds} and (withdrawn.record_id is null or not raw.allowed)
),
-- The last word of each person, as in stg_preference.
preferences as (
    select
        identity.person_id,
        lower(trim(raw.channel)) as channel,
        raw.purpose,
        raw.allowed,
        raw.since,
        coalesce(raw.how, '') as how
    from standing as raw
    inner join identity on raw.identifier = identity.identifier
    qualify row_number() over (
        partition by identity.person_id, lower(trim(raw.channel)), raw.purpose
        order by raw.since desc, raw.allowed, raw.source, raw.account, raw.preference_id
    ) = 1
),
said as (
    select person_id, channel, allowed, since, how from preferences
    where purpose = '{purpose}'
        or (not allowed and {wide} and regexp_matches(lower(how), '{_REPLIED}'))
    union all
    select person_id, utm_medium, false, unsubscribed_at, 'unsubscribed' from stg_message
    where unsubscribed_at is not null and person_id is not null
        and ({wide} or purpose = '{purpose}')
    union all
    select person_id, channel, false, stopped.since, 'told us' from stopped
    where person_id is not null and (purpose = '' or purpose = '{purpose}' or {wide})
),
channels as (
    select distinct person_id, channel from candidates
),
means as (select * from (values {_means()}) as means (word, channel, lifts)),
-- What was said of every channel is said of each. A join on anything but equality would compare
-- everybody with everybody.
spread as (
    select said.person_id, means.channel, said.allowed, said.since, said.how
    from said inner join means on said.channel = means.word
    where means.lifts or not said.allowed
),
persons as (
    select
        channels.person_id,
        channels.channel,
        {authorised} as allowed_at,
        max(case when said.allowed then said.since end) as lifted_at,
        max(case when not said.allowed then said.since end) as refused_at
    from channels
    left join spread as said
        on channels.person_id = said.person_id and channels.channel = said.channel
    group by channels.person_id, channels.channel
),
spoken as (
    select email as identifier, channel, purpose, allowed, since, coalesce(how, '') as how
    from standing where email is not null
    union all
    select phone, channel, purpose, allowed, since, coalesce(how, '')
    from standing where phone is not null
),
of_address as (
    select identifier, lower(trim(channel)) as channel, allowed, since from spoken
    where purpose = '{purpose}'
        or (not allowed and {wide} and regexp_matches(lower(how), '{_REPLIED}'))
    union all
    select unnest([email, phone]), lower(trim(channel)), false, unsubscribed_at from raw_message
    where unsubscribed_at is not null and ({wide} or purpose = '{purpose}')
    union all
    select unnest([email, phone]), lower(trim(channel)), false, raw_message_event.at
    from raw_message_event
    where event in ('unsubscribed', 'complained') and ({wide} or purpose = '{purpose}')
    union all
    select identifier, channel, false, since from stopped
    where identifier is not null and not hard
        and (purpose = '' or purpose = '{purpose}' or {wide})
),
addresses as (
    select
        of_address.identifier,
        means.channel,
        max(case when of_address.allowed then of_address.since end) as lifted_at,
        max(case when not of_address.allowed then of_address.since end) as refused_at
    from of_address inner join means on of_address.channel = means.word
    where of_address.identifier is not null and (means.lifts or not of_address.allowed)
    group by of_address.identifier, means.channel
),
events as (
    select identifier, channel, since, true as bounced from stopped
    where hard and identifier is not null
    union all
    select unnest([email, phone]), lower(trim(channel)), raw_message_event.at, event = 'bounced'
    from raw_message_event where event in ('bounced', 'delivered')
    union all
    select unnest([email, phone]), lower(trim(channel)), bounced_at, true
    from raw_message where bounced_at is not null
    union all
    select unnest([email, phone]), lower(trim(channel)), delivered_at, false
    from raw_message where delivered_at is not null
),
bounces as (
    select identifier, channel from events where identifier is not null
    group by identifier, channel
    having max(case when bounced then since end) > coalesce(
        max(case when not bounced then since end), timestamptz '1970-01-01'
    )
)
select
    candidates.person_id,
    candidates.channel,
    candidates.identifier,
    case
        when coalesce(int_people.deceased, false) then 'deceased'
        when persons.refused_at is not null
            and persons.refused_at >= coalesce(persons.lifted_at, timestamptz '1970-01-01')
            then 'opted_out'
        when addresses.refused_at is not null
            and addresses.refused_at >= coalesce(addresses.lifted_at, timestamptz '1970-01-01')
            then 'address_stopped'
        when persons.allowed_at is null and {"true" if third_party else "false"}
            then 'no_authorisation'
        when persons.allowed_at is null and opt_in.channel is not null then 'no_consent'
        when bounces.identifier is not null then 'bounced'
    end as reason
from candidates
inner join persons
    on candidates.person_id = persons.person_id and candidates.channel = persons.channel
left join opt_in on candidates.channel = opt_in.channel
left join int_people on candidates.person_id = int_people.person_id
left join addresses
    on candidates.identifier = addresses.identifier and candidates.channel = addresses.channel
left join bounces
    on candidates.identifier = bounces.identifier and candidates.channel = bounces.channel
"""


def _means() -> str:
    """`meanings` as rows of SQL."""
    return ", ".join(
        f"('{word}', '{channel}', {str(both).lower()})" for word, channel, both in meanings()
    )


def with_withdrawn(driver: Any) -> None:
    """Let a generation of before anything could be withdrawn have an empty list of it."""
    try:
        driver.execute("select 1 from raw_withdrawn limit 0")
    except duckdb.CatalogException:
        driver.execute(
            "create temp table raw_withdrawn (source text, account text, table_name text, "
            "record_id text, withdrawn_at timestamptz)"
        )


def refused(
    driver: Any, candidates: pa.Table, stopped: pa.Table, sql: str
) -> dict[tuple[int, str, str], str]:
    """The reason of each candidate who may not be sent to: at the moment of asking."""
    with_withdrawn(driver)
    driver.register("candidates", candidates)
    driver.register("stopped", stopped)
    try:
        found = driver.execute(
            f"select * from ({sql}) as verdicts where reason is not null"
        ).fetchall()
    finally:
        driver.unregister("candidates")
        driver.unregister("stopped")
    return {(person, channel, identifier): reason for person, channel, identifier, reason in found}
