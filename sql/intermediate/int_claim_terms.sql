-- On what terms each platform claims a kind of conversion: how long after a click, dated by what.
-- grain: platform, kind
-- inputs: int_claims, int_platforms, int_channel_map, stg_ad_spend
--
-- `last_day` is the last day that the platform has reported anything of: a day without a claim may
-- be a day on which it claims nothing, if its spend is known.

with

reported as (

    select
        int_platforms.platform,
        stg_ad_spend.day
    from stg_ad_spend
    inner join int_channel_map
        on
            int_channel_map.kind = 'ad_spend'
            and stg_ad_spend.utm_source = int_channel_map.utm_source
            and stg_ad_spend.utm_medium = int_channel_map.utm_medium
            and stg_ad_spend.utm_campaign = int_channel_map.utm_campaign
            and stg_ad_spend.campaign_id = int_channel_map.campaign_id
    inner join int_platforms on int_channel_map.map_id = int_platforms.map_id
    union all
    select
        platform,
        day
    from int_claims

),

reach as (

    select
        platform,
        max(day) as last_day
    from reported
    group by platform

),

final as (

    select
        int_claims.platform,
        int_claims.kind,
        coalesce(
            max(case when int_claims.counted_by <> 'view' then int_claims.window_days end), 30
        ) as window_days,
        max(case when int_claims.dated = 'touch' then 1 else 0 end) = 1 as is_dated_by_touch,
        max(reach.last_day) as last_day
    from int_claims
    inner join reach on int_claims.platform = reach.platform
    where int_claims.kind <> '' and not int_claims.is_narrower
    group by int_claims.platform, int_claims.kind

)

select * from final
