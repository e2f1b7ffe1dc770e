-- Every message to one person, what became of it, and every person who was held out.
-- grain: source, account, message_id
-- inputs: raw_message, raw_message_event, raw_withdrawn, identity
--
-- Events come in any order and from any source: the earliest of each kind counts, and what a
-- machine opened or clicked does not. Events are told of the message that has their id: in their
-- own source, else in another if it has their channel too. The others, also those of a message that
-- was withdrawn, are messages of their own, which were not sent if they bounced or were dropped and
-- nothing shows that they arrived. What a message cost and what its events cost may be in different
-- currencies, so they stand apart. A flow is its own campaign: messages have no tags, so the flow's
-- name stands in for them; it is what a mail program calls a message, so it may hold an address,
-- and is hidden then. A message `has_arrived` if its carrier said so or something came of it;
-- where and as long as no carrier says so of a flow's channel, if it was sent and did not bounce.
-- `topic` is what a flow is about where its name says so: tips, pollen, video or reactivation.

with

valid as (

    select raw.*
    from raw_message as raw
    left join raw_withdrawn as withdrawn
        on
            raw.source = withdrawn.source
            and raw.account = withdrawn.account
            and withdrawn.table_name = 'message'
            and raw.message_id = withdrawn.record_id
            and (raw.updated_at is null or raw.updated_at <= withdrawn.withdrawn_at)
    where withdrawn.record_id is null

),

folded as (

    select
        raw.source,
        raw.account,
        raw.message_id,
        min(raw.identifier) as identifier,
        min(lower(trim(raw.channel))) as channel,
        min(trim(raw.flow)) as flow,
        min(raw.purpose) as purpose,
        max(case when raw.mailing then 1 else 0 end) as mailing,
        min(raw.at) as first_at,
        min(case when raw.event = 'sent' then raw.at end) as sent_at,
        min(case when raw.event = 'delivered' then raw.at end) as delivered_at,
        min(case when raw.event = 'opened' and not raw.machine then raw.at end) as opened_at,
        min(case when raw.event = 'opened' and raw.machine then raw.at end) as machine_opened_at,
        min(case when raw.event = 'clicked' and not raw.machine then raw.at end) as clicked_at,
        min(case when raw.event = 'replied' then raw.at end) as replied_at,
        min(case when raw.event in ('bounced', 'dropped') then raw.at end) as bounced_at,
        min(
            case when raw.event in ('unsubscribed', 'complained') then raw.at end
        ) as unsubscribed_at,
        min(raw.currency) as event_currency,
        cast(sum(coalesce(raw.cost_micros, 0)) as bigint) as event_cost_micros
    from raw_message_event as raw
    group by raw.source, raw.account, raw.message_id

),

known as (

    select
        folded.source as told_by,
        folded.account as told_by_account,
        folded.message_id,
        valid.source,
        valid.account,
        row_number() over (
            partition by folded.source, folded.account, folded.message_id
            order by
                case when valid.source = folded.source then 0 else 1 end,
                case when valid.account = folded.account then 0 else 1 end,
                valid.source,
                valid.account
        ) as place
    from folded
    inner join valid
        on
            folded.message_id = valid.message_id
            and (
                folded.channel = lower(trim(valid.channel))
                or (
                    folded.source = valid.source
                    and folded.account = valid.account
                )
            )

),

told as (

    select
        known.source,
        known.account,
        known.message_id,
        min(folded.identifier) as identifier,
        min(folded.sent_at) as sent_at,
        min(folded.delivered_at) as delivered_at,
        min(folded.opened_at) as opened_at,
        min(folded.machine_opened_at) as machine_opened_at,
        min(folded.clicked_at) as clicked_at,
        min(folded.replied_at) as replied_at,
        min(folded.bounced_at) as bounced_at,
        min(folded.unsubscribed_at) as unsubscribed_at,
        min(folded.event_currency) as event_currency,
        cast(sum(folded.event_cost_micros) as bigint) as event_cost_micros
    from known
    inner join folded
        on
            known.told_by = folded.source
            and known.told_by_account = folded.account
            and known.message_id = folded.message_id
    where known.place = 1
    group by known.source, known.account, known.message_id

),

of_flows as (

    select
        valid.source,
        valid.account,
        valid.message_id,
        coalesce(valid.identifier, told.identifier) as identifier,
        valid.assigned_at,
        valid.arm,
        valid.purpose,
        lower(trim(valid.channel)) as channel,
        trim(valid.flow) as flow,
        0 as mailing,
        least(valid.sent_at, told.sent_at) as sent_at,
        least(valid.delivered_at, told.delivered_at) as delivered_at,
        least(valid.opened_at, told.opened_at) as opened_at,
        told.machine_opened_at,
        least(valid.clicked_at, told.clicked_at) as clicked_at,
        least(valid.replied_at, told.replied_at) as replied_at,
        least(valid.bounced_at, told.bounced_at) as bounced_at,
        least(valid.unsubscribed_at, told.unsubscribed_at) as unsubscribed_at,
        valid.currency,
        coalesce(valid.cost_micros, 0) as cost_micros,
        told.event_currency,
        coalesce(told.event_cost_micros, 0) as event_cost_micros
    from valid
    left join told
        on
            valid.source = told.source
            and valid.account = told.account
            and valid.message_id = told.message_id

),

arrivals as (

    select
        folded.*,
        least(
            folded.delivered_at,
            folded.opened_at,
            folded.clicked_at,
            folded.replied_at,
            folded.unsubscribed_at
        ) as arrived_at
    from folded
    left join known
        on
            folded.source = known.told_by
            and folded.account = known.told_by_account
            and folded.message_id = known.message_id
            and known.place = 1
    where known.message_id is null

),

of_events as (

    select
        source,
        account,
        message_id,
        identifier,
        first_at as assigned_at,
        'treated' as arm,
        purpose,
        channel,
        flow,
        mailing,
        case
            when bounced_at is null or arrived_at is not null then least(sent_at, arrived_at)
        end as sent_at,
        delivered_at,
        opened_at,
        machine_opened_at,
        clicked_at,
        replied_at,
        bounced_at,
        unsubscribed_at,
        cast(null as varchar) as currency,
        0 as cost_micros,
        event_currency,
        event_cost_micros
    from arrivals

),

messages as (

    select * from of_flows
    union all
    select * from of_events

),

-- Flows and channels of which anybody tells what was delivered, and since when.
telling as (

    select
        flow,
        channel,
        min(coalesce(sent_at, delivered_at)) as since
    from messages
    where delivered_at is not null
    group by flow, channel

),

final as (

    select
        messages.source,
        messages.account,
        messages.message_id,
        identity.person_id,
        messages.assigned_at,
        messages.arm,
        messages.purpose,
        messages.channel as utm_medium,
        case
            when regexp_matches(messages.flow, '[^ @]+(@|%40)[^ @]+[.]|[0-9a-fA-F]{32}')
                then '(hidden)'
            else messages.flow
        end as flow,
        case
            when regexp_matches(lower(messages.flow), 'reactivation|recall|win_?back')
                then 'reactivation'
            when regexp_matches(lower(messages.flow), 'pollen|allergy') then 'pollen'
            when regexp_matches(lower(messages.flow), 'video|film') then 'video'
            when regexp_matches(lower(messages.flow), 'wellness|tips?(_|$)') then 'tips'
            else ''
        end as topic,
        messages.mailing = 1 as is_mailing,
        messages.arm = 'treated' and messages.sent_at is not null as was_sent,
        coalesce(messages.opened_at, messages.clicked_at, messages.replied_at) is not null
            as has_responded,
        messages.arm = 'treated'
        and messages.sent_at is not null
        and (
            coalesce(
                messages.delivered_at,
                messages.opened_at,
                messages.clicked_at,
                messages.replied_at,
                messages.machine_opened_at,
                messages.unsubscribed_at
            ) is not null
            or (
                messages.bounced_at is null
                and coalesce(messages.sent_at < telling.since, true)
            )
        ) as has_arrived,
        messages.sent_at,
        messages.delivered_at,
        messages.opened_at,
        messages.machine_opened_at,
        messages.clicked_at,
        messages.replied_at,
        messages.bounced_at,
        messages.unsubscribed_at,
        messages.currency,
        messages.cost_micros,
        messages.event_currency,
        messages.event_cost_micros
    from messages
    left join identity on messages.identifier = identity.identifier
    left join telling
        on messages.flow = telling.flow and messages.channel = telling.channel

)

select * from final
