-- Everything that was paid to reach people: ads by day, and messages with a price.
-- grain: channel, campaign, service_line, location, day, currency
-- inputs: stg_ad_spend, stg_message, int_channel_map, int_campaigns, setting_report
--
-- Money is for the service line and location that its source names, else its campaign's.
-- Clicks on outreach messages are not ad clicks and are not counted here.

with

priced as (

    select
        utm_medium,
        flow,
        assigned_at,
        sent_at,
        currency,
        cost_micros
    from stg_message
    where cost_micros <> 0
    union all
    select
        utm_medium,
        flow,
        assigned_at,
        sent_at,
        event_currency as currency,
        event_cost_micros as cost_micros
    from stg_message
    where event_cost_micros <> 0

),

costs as (

    select
        'ad_spend' as kind,
        utm_source,
        utm_medium,
        utm_campaign,
        campaign_id,
        service_line,
        location,
        day,
        currency,
        spend_micros,
        impressions,
        clicks,
        cast(coalesce(claimed_conversions, 0) as decimal(18, 6)) as claimed_conversions,
        coalesce(claimed_value_micros, 0) as claimed_value_micros
    from stg_ad_spend
    union all
    select
        'outreach' as kind,
        '' as utm_source,
        priced.utm_medium,
        priced.flow as utm_campaign,
        '' as campaign_id,
        '' as service_line,
        '' as location,
        cast(
            coalesce(priced.sent_at, priced.assigned_at)
            at time zone setting_report.timezone as date
        ) as day,
        coalesce(priced.currency, setting_report.currency) as currency,
        priced.cost_micros as spend_micros,
        0 as impressions,
        0 as clicks,
        cast(0 as decimal(18, 6)) as claimed_conversions,
        0 as claimed_value_micros
    from priced
    cross join setting_report

),

final as (

    select
        int_channel_map.channel,
        int_channel_map.campaign,
        coalesce(
            nullif(costs.service_line, ''), int_campaigns.service_line, 'unassigned'
        ) as service_line,
        coalesce(nullif(costs.location, ''), int_campaigns.location, 'unassigned') as location,
        costs.day,
        costs.currency,
        cast(sum(costs.spend_micros) as bigint) as spend_micros,
        cast(sum(costs.impressions) as bigint) as impressions,
        cast(sum(costs.clicks) as bigint) as clicks,
        cast(sum(costs.claimed_conversions) as decimal(18, 6)) as claimed_conversions,
        cast(sum(costs.claimed_value_micros) as bigint) as claimed_value_micros
    from costs
    inner join int_channel_map
        on
            costs.kind = int_channel_map.kind
            and costs.utm_source = int_channel_map.utm_source
            and costs.utm_medium = int_channel_map.utm_medium
            and costs.utm_campaign = int_channel_map.utm_campaign
            and costs.campaign_id = int_channel_map.campaign_id
    left join int_campaigns on int_channel_map.campaign = int_campaigns.campaign
    group by 1, 2, 3, 4, 5, 6

)

select * from final
