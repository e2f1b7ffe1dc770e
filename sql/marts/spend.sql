-- What each campaign cost and got, week by week, and what the platform claims it brought.
-- grain: channel, campaign, service_line, location, week, currency
-- inputs: int_costs

with

final as (

    select
        int_costs.channel,
        int_costs.campaign,
        int_costs.service_line,
        int_costs.location,
        cast(date_trunc('week', int_costs.day) as date) as week,
        int_costs.currency,
        cast(sum(int_costs.spend_micros) as bigint) as spend_micros,
        cast(sum(int_costs.impressions) as bigint) as impressions,
        cast(sum(int_costs.clicks) as bigint) as clicks,
        cast(sum(int_costs.claimed_conversions) as double) as claimed_conversions,
        cast(sum(int_costs.claimed_value_micros) as bigint) as claimed_value_micros
    from int_costs
    group by 1, 2, 3, 4, 5, 6

)

select * from final
order by channel, campaign, service_line, location, week, currency
