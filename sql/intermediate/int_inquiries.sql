-- Every time somebody asked for something: a new CRM contact, a web form, a first call.
-- grain: origin, source, account, record_id
-- inputs: stg_touchpoint, stg_call, stg_contact, int_channel_map, int_campaigns
--
-- A lead is an inquiry that does not follow another of the same person within the gap of the
-- settings: a form, the contact that the CRM makes of it and the call back are one lead.
-- Without a service line of its own, an inquiry is for what its campaign speaks for.

with

asked as (

    select
        'touchpoint' as origin,
        source,
        account,
        touch_id as record_id,
        person_id,
        touched_at as asked_at,
        kind,
        utm_source,
        utm_medium,
        utm_campaign,
        campaign_id,
        service_line,
        location
    from stg_touchpoint
    where kind = 'form'
    union all
    select
        'call' as origin,
        source,
        account,
        call_id as record_id,
        person_id,
        started_at as asked_at,
        'call' as kind,
        utm_source,
        utm_medium,
        utm_campaign,
        campaign_id,
        service_line,
        location
    from stg_call
    where answered and may_be_first_call
    union all
    select
        'contact' as origin,
        source,
        account,
        contact_id as record_id,
        person_id,
        created_at as asked_at,
        'contact' as kind,
        utm_source,
        utm_medium,
        utm_campaign,
        '' as campaign_id,
        service_line,
        location
    from stg_contact

),

final as (

    select
        asked.origin,
        asked.source,
        asked.account,
        asked.record_id,
        asked.person_id,
        asked.asked_at,
        case
            when asked.person_id is not null
                then lag(asked.asked_at) over (
                    partition by asked.person_id
                    order by asked.asked_at, asked.origin, asked.record_id, asked.source
                )
        end as previous_at,
        coalesce(
            nullif(asked.service_line, ''), int_campaigns.service_line, 'unassigned'
        ) as service_line,
        coalesce(nullif(asked.location, ''), int_campaigns.location, 'unassigned') as location
    from asked
    inner join int_channel_map
        on
            asked.kind = int_channel_map.kind
            and asked.utm_source = int_channel_map.utm_source
            and asked.utm_medium = int_channel_map.utm_medium
            and asked.utm_campaign = int_channel_map.utm_campaign
            and asked.campaign_id = int_channel_map.campaign_id
    left join int_campaigns on int_channel_map.campaign = int_campaigns.campaign

)

select * from final
