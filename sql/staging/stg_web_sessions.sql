-- Visits to the web site by day, source, medium and campaign.
-- grain: source, account, day, raw_source, raw_medium, campaign_id, raw_campaign, landing_group
-- inputs: raw_web_sessions

with

final as (

    select
        source,
        account,
        day,
        utm_source as raw_source,
        utm_medium as raw_medium,
        utm_campaign as raw_campaign,
        landing_group,
        case
            when lower(trim(utm_source)) in ('(not set)', '(none)') then ''
            else lower(trim(utm_source))
        end as utm_source,
        case
            when lower(trim(utm_medium)) in ('(not set)', '(none)') then ''
            else lower(trim(utm_medium))
        end as utm_medium,
        trim(utm_campaign) as utm_campaign,
        campaign_id,
        sessions,
        engaged_sessions,
        key_events,
        coalesce(sampled_share, 1) < 1 as sampled,
        thresholded,
        other_row
    from raw_web_sessions

)

select * from final
