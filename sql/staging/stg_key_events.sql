-- Key events as web analytics credit them to sources and campaigns, day by day.
-- grain: source, account, told_by, action, day, utm_source, utm_medium, utm_campaign, campaign_id
-- inputs: raw_claimed_conversions

with

final as (

    select
        source,
        account,
        told_by,
        action,
        day,
        lower(trim(network)) as utm_source,
        lower(trim(medium)) as utm_medium,
        trim(campaign) as utm_campaign,
        trim(campaign_id) as campaign_id,
        cast(sum(cast(conversions as decimal(18, 6))) as decimal(18, 6)) as key_events
    from raw_claimed_conversions
    where coalesce(told_by, '') <> ''
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9

)

select * from final
