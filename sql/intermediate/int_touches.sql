-- The touches of everybody, numbered in the order they happened, with the ones beside each.
-- grain: person_id, touch_number
-- inputs: stg_touchpoint, stg_call, stg_message, int_contact_touches, int_channel_map,
--   setting_uncounted
--
-- Most touches lead nowhere; what leads nowhere is learned from them too. Two touches at one
-- instant are ordered by where they come from and then by their key, so a refresh always finds
-- the same order. Reminders of a visit (purpose treatment or operations) are service, not
-- marketing. Touches that only say that something was shown (setting_uncounted) are no steps.

with

touched as (

    select
        stg_touchpoint.person_id,
        stg_touchpoint.touched_at,
        'touchpoint' as origin,
        stg_touchpoint.source,
        stg_touchpoint.account,
        stg_touchpoint.touch_id as record_id,
        stg_touchpoint.kind,
        stg_touchpoint.utm_source,
        stg_touchpoint.utm_medium,
        stg_touchpoint.utm_campaign,
        stg_touchpoint.campaign_id
    from stg_touchpoint
    left join setting_uncounted on stg_touchpoint.kind = setting_uncounted.kind
    where setting_uncounted.kind is null
    union all
    select
        person_id,
        started_at as touched_at,
        'call' as origin,
        source,
        account,
        call_id as record_id,
        'call' as kind,
        utm_source,
        utm_medium,
        utm_campaign,
        campaign_id
    from stg_call
    union all
    select
        person_id,
        touched_at,
        'contact' as origin,
        source,
        account,
        contact_id as record_id,
        'contact' as kind,
        utm_source,
        utm_medium,
        utm_campaign,
        '' as campaign_id
    from int_contact_touches
    union all
    select
        person_id,
        sent_at as touched_at,
        'message' as origin,
        source,
        account,
        message_id as record_id,
        'outreach' as kind,
        '' as utm_source,
        utm_medium,
        flow as utm_campaign,
        '' as campaign_id
    from stg_message
    where was_sent and purpose = 'marketing'
    union all
    select
        person_id,
        clicked_at as touched_at,
        'message_click' as origin,
        source,
        account,
        message_id as record_id,
        'outreach' as kind,
        '' as utm_source,
        utm_medium,
        flow as utm_campaign,
        '' as campaign_id
    from stg_message
    where was_sent and purpose = 'marketing' and clicked_at is not null

),

mapped as (

    select
        touched.person_id,
        touched.touched_at,
        touched.origin,
        touched.record_id,
        touched.source,
        touched.account,
        int_channel_map.map_id,
        int_channel_map.channel_id,
        int_channel_map.channel = 'direct' as is_direct
    from touched
    inner join int_channel_map
        on
            touched.kind = int_channel_map.kind
            and touched.utm_source = int_channel_map.utm_source
            and touched.utm_medium = int_channel_map.utm_medium
            and touched.utm_campaign = int_channel_map.utm_campaign
            and touched.campaign_id = int_channel_map.campaign_id
    where touched.person_id is not null

),

final as (

    select
        person_id,
        row_number() over (
            partition by person_id order by touched_at, origin, record_id, source, account
        ) as touch_number,
        touched_at,
        map_id,
        channel_id,
        is_direct,
        lag(channel_id) over (
            partition by person_id order by touched_at, origin, record_id, source, account
        ) as previous_channel_id,
        lag(touched_at) over (
            partition by person_id order by touched_at, origin, record_id, source, account
        ) as previous_at,
        lead(touched_at) over (
            partition by person_id order by touched_at, origin, record_id, source, account
        ) as next_at
    from mapped

)

select * from final
