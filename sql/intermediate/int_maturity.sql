-- What each week's leads, bookings and visits will come to: `attribution/models/maturity.py`.
-- grain: kind_from, kind_to, service_line, week
-- inputs: int_cohorts
--
-- SQL counts, Python solves. Only cohorts whose window is still open have a row.

with

final as (

    select
        kind_from,
        kind_to,
        service_line,
        week,
        lag_weeks,
        window_weeks,
        age_weeks,
        entered,
        arrived
    from int_cohorts

)

select * from final
order by kind_from, kind_to, service_line, week, lag_weeks
