-- What each ad platform claims for each day, by action, window and kind of contact.
-- grain: source, account, campaign_id, utm_source, utm_medium, utm_campaign, ad_group_id, day,
--   action, attribution_window, counted_by
-- inputs: raw_claimed_conversions
--
-- What web analytics credit is no platform's claim (stg_key_events). Campaigns without a number are
-- told apart by their names; names that differ only in spaces or case are one.
-- A window without a number of days is taken for the 30 days that platforms commonly use.

with

final as (

    select
        source,
        account,
        campaign_id,
        ad_group_id,
        day,
        lower(trim(network)) as utm_source,
        lower(trim(medium)) as utm_medium,
        trim(campaign) as utm_campaign,
        action,
        attribution_window,
        cast(
            coalesce(nullif(regexp_extract(attribution_window, '[0-9]{1,3}'), ''), '30')
            as integer
        ) as window_days,
        counted_by,
        min(dated) as dated,
        cast(sum(cast(conversions as decimal(18, 6))) as decimal(18, 6)) as conversions
    from raw_claimed_conversions
    where coalesce(told_by, '') = ''
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12

)

select * from final
