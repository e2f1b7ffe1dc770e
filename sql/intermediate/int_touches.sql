-- The touches of everybody: when, by which channel and campaign, and for which service line.
-- grain: person_id, touched_at, tie
-- inputs: stg_touchpoint, stg_call, stg_message, int_contact_touches, int_channel_map,
--   int_campaigns, int_service_lines, setting_uncounted
--
-- Reminders of a visit (purpose treatment or operations) are service, not marketing. A mailing to
-- many is no touch for being sent; its clicks have rows of their own. Kinds that are not counted
-- (setting_uncounted), such as those that only say that something was shown, are no steps. What a
-- touch does not say of its service line, its campaign does. Touches of one second are numbered by
-- `tie`, in the order of time, of where they come from and of their key, so a refresh always finds
-- the same order; only they are sorted by text. `touched` is read three times, which takes less
-- than keeping it once: of many touches its texts are more than memory holds.

with

calls as not materialized (

    select
        person_id,
        started_at as touched_at,
        source,
        account,
        call_id as record_id,
        'call' as kind,
        utm_source,
        utm_medium,
        utm_campaign,
        campaign_id,
        service_line
    from stg_call

),

touched as not materialized (

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
        stg_touchpoint.campaign_id,
        stg_touchpoint.service_line
    from stg_touchpoint
    left join setting_uncounted on stg_touchpoint.kind = setting_uncounted.kind
    where setting_uncounted.kind is null
    union all
    select
        calls.person_id,
        calls.touched_at,
        'call' as origin,
        calls.source,
        calls.account,
        calls.record_id,
        calls.kind,
        calls.utm_source,
        calls.utm_medium,
        calls.utm_campaign,
        calls.campaign_id,
        calls.service_line
    from calls
    left join setting_uncounted on calls.kind = setting_uncounted.kind
    where setting_uncounted.kind is null
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
        '' as campaign_id,
        '' as service_line
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
        '' as campaign_id,
        '' as service_line
    from stg_message
    where was_sent and not is_mailing and purpose = 'marketing'
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
        '' as campaign_id,
        '' as service_line
    from stg_message
    where
        was_sent
        and not is_mailing
        and purpose = 'marketing'
        and clicked_at is not null

),

mapped as (

    select
        int_channel_map.kind,
        int_channel_map.utm_source,
        int_channel_map.utm_medium,
        int_channel_map.utm_campaign,
        int_channel_map.campaign_id,
        int_channel_map.map_id,
        int_channel_map.channel_id,
        int_channel_map.channel = 'direct' as is_direct,
        int_service_lines.line_id
    from int_channel_map
    left join int_campaigns on int_channel_map.campaign = int_campaigns.campaign
    left join int_service_lines on int_campaigns.service_line = int_service_lines.service_line

),

placed as (

    select
        touched.person_id,
        touched.touched_at,
        touched.origin,
        touched.record_id,
        touched.source,
        touched.account,
        mapped.map_id,
        mapped.channel_id,
        mapped.is_direct,
        coalesce(int_service_lines.line_id, mapped.line_id) as line_id
    from touched
    inner join mapped
        on
            touched.kind = mapped.kind
            and touched.utm_source = mapped.utm_source
            and touched.utm_medium = mapped.utm_medium
            and touched.utm_campaign = mapped.utm_campaign
            and touched.campaign_id = mapped.campaign_id
    left join int_service_lines on touched.service_line = int_service_lines.service_line
    where touched.person_id is not null

),

instants as (

    select
        person_id,
        floor(extract(epoch from touched_at)) as touched_second
    from touched
    where person_id is not null
    group by 1, 2
    having count(*) > 1

),

ties as (

    select
        touched.person_id,
        touched.touched_at,
        touched.origin,
        touched.record_id,
        touched.source,
        touched.account,
        row_number() over (
            partition by instants.person_id, instants.touched_second
            order by
                touched.touched_at, touched.origin, touched.record_id, touched.source,
                touched.account
        ) as tie
    from touched
    inner join instants
        on
            touched.person_id = instants.person_id
            and floor(extract(epoch from touched.touched_at)) = instants.touched_second

),

final as (

    select
        placed.person_id,
        placed.touched_at,
        cast(coalesce(ties.tie, 1) as integer) as tie,
        placed.origin,
        placed.source,
        placed.map_id,
        placed.channel_id,
        placed.is_direct,
        placed.line_id
    from placed
    left join ties
        on
            placed.person_id = ties.person_id
            and placed.touched_at = ties.touched_at
            and placed.origin = ties.origin
            and placed.record_id = ties.record_id
            and placed.source = ties.source
            and placed.account = ties.account

)

select * from final
