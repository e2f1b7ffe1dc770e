-- Every message that was sent, with what came of it and how many its person had had lately.
-- grain: source, account, message_id
-- inputs: stg_message, stg_contact, setting_report
--
-- Who cannot be identified is one of their own. `channel_wish` says whether the channel is the one
-- that the person prefers in the CRM. `had_30` and `had_90` count the messages of all flows and
-- channels that were sent to the person in so many days before, this one included; `block` is the
-- first Monday of its four weeks.

with

wishes as (

    select
        person_id,
        preferred_channel,
        row_number() over (
            partition by person_id order by updated_at desc, contact_id asc, source asc, account asc
        ) as place
    from stg_contact
    where person_id is not null and preferred_channel <> ''

),

sent as (

    select
        stg_message.source,
        stg_message.account,
        stg_message.message_id,
        coalesce(
            cast(stg_message.person_id as varchar),
            stg_message.source || ' ' || stg_message.account || ' ' || stg_message.message_id
        ) as who,
        stg_message.flow,
        stg_message.topic,
        stg_message.purpose,
        stg_message.utm_medium as channel,
        case
            when wishes.person_id is null then 'not told'
            when wishes.preferred_channel = stg_message.utm_medium then 'preferred'
            else 'other'
        end as channel_wish,
        stg_message.sent_at,
        cast(
            date_trunc(
                'week', cast(stg_message.sent_at at time zone setting_report.timezone as date)
            ) as date
        ) as week,
        case when stg_message.opened_at is null then 0 else 1 end as opened,
        case
            when
                stg_message.machine_opened_at is not null
                and not stg_message.has_responded
                and stg_message.unsubscribed_at is null
                then 1
            else 0
        end as machine_opened,
        case when stg_message.clicked_at is null then 0 else 1 end as clicked,
        case when stg_message.replied_at is null then 0 else 1 end as replied,
        case when stg_message.has_responded then 1 else 0 end as responded,
        case when stg_message.unsubscribed_at is null then 0 else 1 end as opted_out,
        case when stg_message.has_arrived then 1 else 0 end as delivered
    from stg_message
    cross join setting_report
    left join wishes on stg_message.person_id = wishes.person_id and wishes.place = 1
    where stg_message.was_sent

),

final as (

    select
        sent.*,
        cast(
            date '2018-01-01'
            + cast(floor(date_diff('day', date '2018-01-01', sent.week) / 28.0) as integer)
            * interval '28' day as date
        ) as block,
        count(*) over (
            partition by sent.who
            order by sent.sent_at
            range between interval '30' day preceding and current row
        ) as had_30,
        count(*) over (
            partition by sent.who
            order by sent.sent_at
            range between interval '90' day preceding and current row
        ) as had_90
    from sent

)

select * from final
