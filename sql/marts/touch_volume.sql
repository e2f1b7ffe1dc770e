-- How often each channel and campaign touched people, whether or not they converted.
-- grain: channel, campaign, week
-- inputs: stg_touchpoint, stg_call, stg_message, int_contact_touches, int_channel_map,
--   setting_report

with

touched as (

    select
        person_id,
        touched_at,
        kind,
        utm_source,
        utm_medium,
        utm_campaign,
        campaign_id
    from stg_touchpoint
    union all
    select
        person_id,
        started_at as touched_at,
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
        'outreach' as kind,
        '' as utm_source,
        utm_medium,
        flow as utm_campaign,
        '' as campaign_id
    from stg_message
    where was_sent and purpose = 'marketing' and clicked_at is not null

),

by_pair as (

    select
        int_channel_map.pair_id,
        cast(
            date_trunc(
                'week', cast(touched.touched_at at time zone setting_report.timezone as date)
            ) as date
        ) as week,
        count(*) as touches,
        count(distinct touched.person_id) as people
    from touched
    cross join setting_report
    inner join int_channel_map
        on
            touched.kind = int_channel_map.kind
            and touched.utm_source = int_channel_map.utm_source
            and touched.utm_medium = int_channel_map.utm_medium
            and touched.utm_campaign = int_channel_map.utm_campaign
            and touched.campaign_id = int_channel_map.campaign_id
    group by 1, 2

),

pairs as (

    select distinct
        pair_id,
        channel,
        campaign
    from int_channel_map

),

final as (

    select
        pairs.channel,
        pairs.campaign,
        by_pair.week,
        by_pair.touches,
        by_pair.people
    from by_pair
    inner join pairs on by_pair.pair_id = pairs.pair_id

)

select * from final
order by channel, campaign, week
