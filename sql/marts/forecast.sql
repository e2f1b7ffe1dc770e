-- What weekly numbers came to, what was foretold of the newest weeks, and what is foretold next.
-- grain: metric, dimension, member, week
-- inputs: int_forecasts
--
-- `is_ahead` are weeks after those that are reported: of a late source some are over. Of the four
-- newest weeks before, `expected` is what the weeks before those four foretold; outside its 95%
-- band a week `is_anomaly`. Money is in micros of the report's currency; targets are for a week.
-- `adds_up` says that the parts of a dimension make up the total.

with

parts as (

    select
        metric,
        dimension,
        member,
        bool_or(adds_up) as adds_up
    from int_forecasts
    where week is null
    group by 1, 2, 3

),

final as (

    select
        int_forecasts.metric,
        int_forecasts.dimension,
        int_forecasts.member,
        cast(int_forecasts.week as date) as week,
        int_forecasts.model,
        int_forecasts.is_ahead,
        int_forecasts.actual,
        int_forecasts.expected,
        int_forecasts.low_50,
        int_forecasts.high_50,
        int_forecasts.low_80,
        int_forecasts.high_80,
        int_forecasts.low_95,
        int_forecasts.high_95,
        int_forecasts.target,
        parts.adds_up,
        coalesce(
            int_forecasts.actual < int_forecasts.low_95
            or int_forecasts.actual > int_forecasts.high_95,
            false
        ) as is_anomaly
    from int_forecasts
    inner join parts
        on
            int_forecasts.metric = parts.metric
            and int_forecasts.dimension = parts.dimension
            and int_forecasts.member = parts.member
    where int_forecasts.week is not null

)

select * from final
order by metric, dimension, member, week
