-- On what terms each platform claims a kind of conversion: how long after a click, dated by what.
-- grain: platform, kind
-- inputs: int_claims, int_platforms, int_channel_map, stg_ad_spend
--
-- `last_day` is the last day that the platform has reported anything of: a day without a claim may
-- be a day on which it claims nothing, if its spend is known. By what most claims of the newest
-- four weeks are dated, all are taken to be: platforms change that, and leave the past as it is.
-- Where rows claim nothing, there are the rows themselves to go by.

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

claimed as (

    select
        platform,
        kind,
        day,
        dated,
        counted_by,
        window_days,
        conversions,
        max(day) over (partition by platform, kind) as newest_day
    from int_claims
    where kind <> '' and not is_narrower

),

final as (

    select
        claimed.platform,
        claimed.kind,
        coalesce(
            max(case when claimed.counted_by <> 'view' then claimed.window_days end), 30
        ) as window_days,
        sum(
            case
                when claimed.day <= claimed.newest_day - interval '28' day then 0
                when claimed.dated = 'touch' then claimed.conversions + 0.000001
                else -claimed.conversions - 0.000001
            end
        ) >= 0 as is_dated_by_touch,
        max(reach.last_day) as last_day
    from claimed
    inner join reach on claimed.platform = reach.platform
    group by claimed.platform, claimed.kind

)

select * from final
