-- What passed between each person and us: calls, adverts shown, messages, CRM stages, consents.
-- grain: person_id, happened_at, kind, what, source, account, record_id, channel
-- inputs: stg_call, stg_touchpoint, stg_message, stg_contact, stg_deal, stg_preference,
--   int_channel_map, setting_uncounted
--
-- Each thing that became of a message is a row, with `other_at` when it was assigned; whoever was
-- held out has one. `number` is a call's seconds; of a consent 1 where given, 0 where refused.
-- `detail` is a purpose or the CRM's dates of stages as JSON: never text that somebody wrote.

with

moments as (

    select 'sent' as what
    union all
    select 'delivered' as what
    union all
    select 'opened' as what
    union all
    select 'clicked' as what
    union all
    select 'replied' as what
    union all
    select 'bounced' as what
    union all
    select 'unsubscribed' as what
    union all
    select 'held_out' as what
    union all
    select 'contact' as what
    union all
    select 'lead' as what
    union all
    select 'customer' as what

),

calls as (

    select
        stg_call.person_id,
        stg_call.started_at as happened_at,
        'call' as kind,
        stg_call.outcome as what,
        stg_call.source,
        stg_call.account,
        stg_call.call_id as record_id,
        int_channel_map.channel,
        int_channel_map.campaign,
        stg_call.service_line,
        stg_call.location,
        cast(null as timestamp with time zone) as other_at,
        cast(stg_call.seconds as double precision) as number,
        cast(null as bigint) as amount_micros,
        '' as currency,
        '' as detail
    from stg_call
    inner join int_channel_map
        on
            int_channel_map.kind = 'call'
            and stg_call.utm_source = int_channel_map.utm_source
            and stg_call.utm_medium = int_channel_map.utm_medium
            and stg_call.utm_campaign = int_channel_map.utm_campaign
            and stg_call.campaign_id = int_channel_map.campaign_id

),

shown as (

    select
        stg_touchpoint.person_id,
        stg_touchpoint.touched_at as happened_at,
        'shown' as kind,
        stg_touchpoint.kind as what,
        stg_touchpoint.source,
        stg_touchpoint.account,
        stg_touchpoint.touch_id as record_id,
        int_channel_map.channel,
        int_channel_map.campaign,
        stg_touchpoint.service_line,
        stg_touchpoint.location,
        cast(null as timestamp with time zone) as other_at,
        cast(null as double precision) as number,
        cast(null as bigint) as amount_micros,
        '' as currency,
        '' as detail
    from stg_touchpoint
    inner join setting_uncounted on stg_touchpoint.kind = setting_uncounted.kind
    inner join int_channel_map
        on
            stg_touchpoint.kind = int_channel_map.kind
            and stg_touchpoint.utm_source = int_channel_map.utm_source
            and stg_touchpoint.utm_medium = int_channel_map.utm_medium
            and stg_touchpoint.utm_campaign = int_channel_map.utm_campaign
            and stg_touchpoint.campaign_id = int_channel_map.campaign_id

),

messages as (

    select
        stg_message.person_id,
        case moments.what
            when 'sent' then stg_message.sent_at
            when 'delivered' then stg_message.delivered_at
            when 'opened' then stg_message.opened_at
            when 'clicked' then stg_message.clicked_at
            when 'replied' then stg_message.replied_at
            when 'bounced' then stg_message.bounced_at
            when 'unsubscribed' then stg_message.unsubscribed_at
            when 'held_out'
                then case when stg_message.arm = 'holdout' then stg_message.assigned_at end
        end as happened_at,
        'message' as kind,
        moments.what,
        stg_message.source,
        stg_message.account,
        stg_message.message_id as record_id,
        stg_message.utm_medium as channel,
        stg_message.flow as campaign,
        '' as service_line,
        '' as location,
        stg_message.assigned_at as other_at,
        cast(null as double precision) as number,
        cast(null as bigint) as amount_micros,
        '' as currency,
        stg_message.purpose as detail
    from stg_message
    cross join moments

),

contacts as (

    select
        stg_contact.person_id,
        case moments.what
            when 'contact' then stg_contact.created_at
            when 'lead' then stg_contact.lead_at
            when 'customer' then stg_contact.customer_at
        end as happened_at,
        'lead' as kind,
        moments.what,
        stg_contact.source,
        stg_contact.account,
        stg_contact.contact_id as record_id,
        '' as channel,
        '' as campaign,
        stg_contact.service_line,
        stg_contact.location,
        cast(null as timestamp with time zone) as other_at,
        cast(null as double precision) as number,
        cast(null as bigint) as amount_micros,
        '' as currency,
        case when moments.what = 'contact' then stg_contact.lifecycle_dates else '' end as detail
    from stg_contact
    cross join moments

),

deals as (

    select
        person_id,
        created_at as happened_at,
        'deal' as kind,
        state as what,
        source,
        account,
        deal_id as record_id,
        '' as channel,
        '' as campaign,
        service_line,
        location,
        closed_at as other_at,
        cast(null as double precision) as number,
        amount_micros,
        currency,
        stage_dates as detail
    from stg_deal

),

preferences as (

    select
        person_id,
        since as happened_at,
        'preference' as kind,
        purpose as what,
        source,
        '' as account,
        channel as record_id,
        channel,
        '' as campaign,
        '' as service_line,
        '' as location,
        cast(null as timestamp with time zone) as other_at,
        case when allowed then 1 else 0 end as number,
        cast(null as bigint) as amount_micros,
        '' as currency,
        how as detail
    from stg_preference

),

final as (

    select * from calls
    union all
    select * from shown
    union all
    select *
    from messages
    where happened_at is not null
    union all
    select *
    from contacts
    where happened_at is not null
    union all
    select * from deals
    union all
    select * from preferences

)

select * from final
