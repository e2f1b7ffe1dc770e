-- What weekly numbers will come to, and how well that was foretold before:
--   `attribution/models/forecast_table.py`.
-- grain: metric, dimension, member, model, week
-- inputs: conversions, credit, spend, setting_report, int_reach
-- beside: promotions, capacity, planned_spend
--
-- SQL counts, Python solves, in worker processes of a refresh. Weeks begin with the first that
-- has spend, as on the pages. Every number is counted in the week in which it happened, so a week
-- that is reported is final. Money is in micros of the report's currency. By channel, conversions
-- are those credited by the model that pages begin with.

with

reach as (

    select
        int_reach.last_week,
        coalesce((select min(spend.week) from spend), int_reach.first_week) as first_week
    from int_reach

),

counted as (

    select
        conversions.kind as metric,
        conversions.service_line,
        conversions.location,
        conversions.week,
        cast(
            case
                when conversions.kind = 'collected' then conversions.value_micros
                else conversions.conversions
            end
            as decimal(38, 12)
        ) as amount
    from conversions
    cross join setting_report
    where conversions.kind <> 'collected' or conversions.currency = setting_report.currency
    union all
    select
        'spend' as metric,
        spend.service_line,
        spend.location,
        spend.week,
        cast(spend.spend_micros as decimal(38, 12)) as amount
    from spend
    inner join setting_report on spend.currency = setting_report.currency

),

parts as (

    select
        metric,
        'total' as dimension,
        '(all)' as member,
        week,
        amount
    from counted
    union all
    select
        metric,
        'service_line' as dimension,
        service_line as member,
        week,
        amount
    from counted
    union all
    select
        metric,
        'location' as dimension,
        location as member,
        week,
        amount
    from counted
    union all
    select
        'spend' as metric,
        'channel' as dimension,
        spend.channel as member,
        spend.week,
        cast(spend.spend_micros as decimal(38, 12)) as amount
    from spend
    inner join setting_report on spend.currency = setting_report.currency
    union all
    select
        credit.kind as metric,
        'channel' as dimension,
        credit.channel as member,
        credit.week,
        cast(
            case when credit.kind = 'collected' then credit.value_micros else credit.conversions end
            as decimal(38, 12)
        ) as amount
    from credit
    cross join setting_report
    where
        credit.model = 'position'
        and (credit.kind <> 'collected' or credit.currency = setting_report.currency)

),

final as (

    select
        parts.metric,
        parts.dimension,
        parts.member,
        parts.week,
        cast(sum(parts.amount) as double) as value
    from parts
    cross join reach
    where parts.week between reach.first_week and reach.last_week
    group by 1, 2, 3, 4

)

select * from final
order by metric, dimension, member, week
