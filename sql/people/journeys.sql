-- Each credited conversion in one row: whose it was, when, and by which channels it came.
-- grain: conversion_id
-- inputs: journey_credit
-- parts: journey_credit by conversion_id
--
-- Touches of one channel in a row are one stop, and `step_1` to `step_4` are stops as in `paths`:
-- where there are more than four, the first and the last three; '' is none. `days` is from the
-- first touch to the decision.

with

moved as (

    select
        conversion_id,
        step,
        channel,
        lead(channel) over (partition by conversion_id order by step) as next_channel
    from journey_credit
    where conversion_id % 1 = 0

),

numbered as (

    select
        conversion_id,
        step,
        channel,
        sum(case when channel = next_channel then 0 else 1 end) over (
            partition by conversion_id
            order by step desc
            rows between unbounded preceding and current row
        ) as back
    from moved

),

gathered as (

    select
        conversion_id,
        max(back) as stops,
        max(case when step = 1 then channel end) as first_channel,
        max(case when back = 3 then channel end) as third_last_channel,
        max(case when back = 2 then channel end) as second_last_channel,
        max(case when back = 1 then channel end) as last_channel
    from numbered
    group by conversion_id

),

final as (

    select
        journey_credit.conversion_id,
        journey_credit.kind,
        journey_credit.person_id,
        journey_credit.week,
        journey_credit.service_line,
        journey_credit.location,
        journey_credit.currency,
        journey_credit.conversions,
        journey_credit.value_micros,
        journey_credit.steps,
        journey_credit.days_before as days,
        gathered.first_channel as step_1,
        case
            when gathered.stops >= 4 then gathered.third_last_channel
            when gathered.stops = 3 then gathered.second_last_channel
            when gathered.stops = 2 then gathered.last_channel
            else ''
        end as step_2,
        case
            when gathered.stops >= 4 then gathered.second_last_channel
            when gathered.stops = 3 then gathered.last_channel
            else ''
        end as step_3,
        case when gathered.stops >= 4 then gathered.last_channel else '' end as step_4
    from journey_credit
    inner join gathered on journey_credit.conversion_id = gathered.conversion_id
    where journey_credit.step = 1 and journey_credit.conversion_id % 1 = 0

)

select * from final
order by conversion_id
