-- The touches of the journeys that ended without a conversion, counted back from the last.
-- grain: person_id, back
-- inputs: stg_touchpoint, stg_call, stg_message, int_contact_touches, int_channel_map,
--   int_campaigns, int_lost_journeys, int_service_lines,
--   setting_uncounted
--
-- Numbered once for each person, from the end, whatever the kind: all journeys of a person end
-- with the same touch. `back_run` counts stretches of one channel. Touches of one instant are
-- ordered by numbers, so a refresh always finds the same order.

with

spans as (

    select
        person_id,
        min(opens_second) as opens_second
    from int_lost_journeys
    group by person_id

),

touched as (

    select
        stg_touchpoint.person_id,
        stg_touchpoint.touched_at,
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
        person_id,
        started_at as touched_at,
        'call' as kind,
        utm_source,
        utm_medium,
        utm_campaign,
        campaign_id,
        service_line
    from stg_call
    union all
    select
        person_id,
        touched_at,
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
        'outreach' as kind,
        '' as utm_source,
        utm_medium,
        flow as utm_campaign,
        '' as campaign_id,
        '' as service_line
    from stg_message
    where was_sent and purpose = 'marketing'
    union all
    select
        person_id,
        clicked_at as touched_at,
        'outreach' as kind,
        '' as utm_source,
        utm_medium,
        flow as utm_campaign,
        '' as campaign_id,
        '' as service_line
    from stg_message
    where was_sent and purpose = 'marketing' and clicked_at is not null

),

-- What a touch does not say of its service line, its campaign does.
mapped as (

    select
        int_channel_map.kind,
        int_channel_map.utm_source,
        int_channel_map.utm_medium,
        int_channel_map.utm_campaign,
        int_channel_map.campaign_id,
        int_channel_map.channel_id,
        int_service_lines.line_id
    from int_channel_map
    left join int_campaigns on int_channel_map.campaign = int_campaigns.campaign
    left join int_service_lines on int_campaigns.service_line = int_service_lines.service_line

),

numbered as (

    select
        touched.person_id,
        extract(epoch from touched.touched_at) as touched_second,
        mapped.channel_id,
        coalesce(int_service_lines.line_id, mapped.line_id) as line_id
    from touched
    inner join spans
        on
            touched.person_id = spans.person_id
            and extract(epoch from touched.touched_at) >= spans.opens_second
    inner join mapped
        on
            touched.kind = mapped.kind
            and touched.utm_source = mapped.utm_source
            and touched.utm_medium = mapped.utm_medium
            and touched.utm_campaign = mapped.utm_campaign
            and touched.campaign_id = mapped.campaign_id
    left join int_service_lines on touched.service_line = int_service_lines.service_line

),

ordered as (

    select
        person_id,
        touched_second,
        channel_id,
        line_id,
        row_number() over (
            partition by person_id order by touched_second desc, channel_id desc, line_id desc
        ) as back,
        lag(channel_id) over (
            partition by person_id order by touched_second desc, channel_id desc, line_id desc
        ) as next_channel_id
    from numbered

),

final as (

    select
        person_id,
        back,
        touched_second,
        channel_id,
        next_channel_id,
        line_id,
        sum(case when channel_id = next_channel_id then 0 else 1 end) over (
            partition by person_id
            order by back
            rows between unbounded preceding and current row
        ) as back_run
    from ordered

)

select * from final
