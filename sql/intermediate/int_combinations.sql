-- Each combination of kind, source, medium and campaign that was ever seen, and how often.
-- grain: origin, kind, utm_source, utm_medium, utm_campaign, campaign_id
-- inputs: stg_touchpoint, stg_call, stg_contact, stg_message, stg_ad_spend, stg_web_sessions,
--   stg_claimed_conversions, stg_key_events, setting_report, setting_uncounted
--
-- Of those to be treated only what was sent is counted: they are told once more when they are
-- assigned. Rules are matched on these few combinations, never on millions of rows. Spend is of the
-- report's currency: amounts of several are no sum. What is not counted and of nobody, as what is
-- left of a call that its CRM took back, is none of them.

with

instants as (

    select
        'touchpoint' as origin,
        stg_touchpoint.kind,
        stg_touchpoint.utm_source,
        stg_touchpoint.utm_medium,
        stg_touchpoint.utm_campaign,
        stg_touchpoint.campaign_id,
        stg_touchpoint.touched_at as seen_at,
        1 as rows_seen
    from stg_touchpoint
    left join setting_uncounted on stg_touchpoint.kind = setting_uncounted.kind
    where setting_uncounted.kind is null or stg_touchpoint.person_id is not null
    union all
    select
        'call' as origin,
        'call' as kind,
        utm_source,
        utm_medium,
        utm_campaign,
        campaign_id,
        started_at as seen_at,
        1 as rows_seen
    from stg_call
    union all
    select
        'contact' as origin,
        'contact' as kind,
        utm_source,
        utm_medium,
        utm_campaign,
        '' as campaign_id,
        created_at as seen_at,
        1 as rows_seen
    from stg_contact
    union all
    select
        'message' as origin,
        'outreach' as kind,
        '' as utm_source,
        utm_medium,
        flow as utm_campaign,
        '' as campaign_id,
        assigned_at as seen_at,
        case when was_sent or arm <> 'treated' then 1 else 0 end as rows_seen
    from stg_message

),

seen as (

    select
        origin,
        kind,
        utm_source,
        utm_medium,
        utm_campaign,
        campaign_id,
        cast(sum(rows_seen) as bigint) as rows_seen,
        min(seen_at) as first_at,
        max(seen_at) as last_at
    from instants
    group by 1, 2, 3, 4, 5, 6

),

moments as (

    select
        seen.origin,
        seen.kind,
        seen.utm_source,
        seen.utm_medium,
        seen.utm_campaign,
        seen.campaign_id,
        seen.rows_seen,
        cast(0 as bigint) as spend_micros,
        cast(seen.first_at at time zone setting_report.timezone as date) as first_day,
        cast(seen.last_at at time zone setting_report.timezone as date) as last_day
    from seen
    cross join setting_report

),

dated as (

    select
        'ad_spend' as origin,
        'ad_spend' as kind,
        stg_ad_spend.utm_source,
        stg_ad_spend.utm_medium,
        stg_ad_spend.utm_campaign,
        stg_ad_spend.campaign_id,
        case
            when stg_ad_spend.currency = setting_report.currency then stg_ad_spend.spend_micros
            else 0
        end as spend_micros,
        stg_ad_spend.day
    from stg_ad_spend
    cross join setting_report
    union all
    select
        'web_sessions' as origin,
        'session' as kind,
        utm_source,
        utm_medium,
        utm_campaign,
        campaign_id,
        0 as spend_micros,
        day
    from stg_web_sessions
    union all
    select
        'claimed_conversions' as origin,
        'ad_spend' as kind,
        utm_source,
        utm_medium,
        utm_campaign,
        campaign_id,
        0 as spend_micros,
        day
    from stg_claimed_conversions
    union all
    select
        'key_events' as origin,
        'session' as kind,
        utm_source,
        utm_medium,
        utm_campaign,
        campaign_id,
        0 as spend_micros,
        day
    from stg_key_events

),

days as (

    select
        origin,
        kind,
        utm_source,
        utm_medium,
        utm_campaign,
        campaign_id,
        count(*) as rows_seen,
        cast(sum(spend_micros) as bigint) as spend_micros,
        min(day) as first_day,
        max(day) as last_day
    from dated
    group by 1, 2, 3, 4, 5, 6

),

final as (

    select * from moments
    union all
    select * from days

)

select * from final
