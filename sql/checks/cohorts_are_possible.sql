-- No cohort went on more often than it could, and what is expected lies within its interval.
-- inputs: cohorts
--
-- Rounding leaves a last digit: half of one of a count, a thousand micros of an amount. No cohort
-- is of fewer than eleven.

with

judged as (

    select
        kind_from,
        kind_to,
        service_line,
        week,
        entered,
        arrived,
        expected,
        low,
        high,
        maturity,
        case when kind_to = 'collected' then 1000 else 0.5 end as slack
    from cohorts

),

final as (

    select
        kind_from,
        kind_to,
        service_line,
        week
    from judged
    where
        (kind_to <> 'collected' and arrived > entered)
        or arrived > expected + slack
        or low > expected + slack
        or expected > high + slack
        or maturity < 0
        or maturity > 1
        or (kind_to <> 'collected' and expected > entered + 0.001)
        or entered < 11

)

select * from final
