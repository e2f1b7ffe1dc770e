-- What became of each week's leads, bookings and visits so far, and what is still expected.
-- grain: kind_from, kind_to, service_line, week
-- inputs: int_cohorts, int_maturity
--
-- `arrived`, `expected`, `low` and `high` count leads or bookings that went on; where `kind_to` is
-- 'collected' they are micros of the report's currency. Nine times of ten the final number lies
-- from `low` to `high`. `maturity` is the share of the final that has arrived by a cohort's age,
-- and below nine tenths `is_immature`: what has arrived so far must not be read as the result.
-- A cohort of fewer than eleven, though of all small service lines together, is not shown, so that
-- no row singles anybody out; the estimates of the others lean on it all the same.

with

arrived as (

    select
        kind_from,
        kind_to,
        service_line,
        week,
        age_weeks,
        entered,
        cast(sum(arrived) as bigint) as arrived
    from int_cohorts
    group by 1, 2, 3, 4, 5, 6

),

final as (

    select
        arrived.kind_from,
        arrived.kind_to,
        arrived.service_line,
        arrived.week,
        arrived.age_weeks,
        arrived.entered,
        arrived.arrived,
        coalesce(int_maturity.expected, cast(arrived.arrived as double)) as expected,
        coalesce(int_maturity.low, cast(arrived.arrived as double)) as low,
        coalesce(int_maturity.high, cast(arrived.arrived as double)) as high,
        coalesce(int_maturity.maturity, 1.0) as maturity,
        coalesce(int_maturity.maturity, 1.0) < 0.9 as is_immature
    from arrived
    left join int_maturity
        on
            arrived.kind_from = int_maturity.kind_from
            and arrived.kind_to = int_maturity.kind_to
            and arrived.service_line = int_maturity.service_line
            and cast(arrived.week as varchar) = int_maturity.week
    where arrived.entered >= 11

)

select * from final
order by kind_from, kind_to, service_line, week
