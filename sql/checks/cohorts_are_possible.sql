-- No cohort went on more often than it could, and what is expected lies within its interval.
-- inputs: cohorts
--
-- Rounding leaves a last digit: half of one of a count, a thousandth of an amount's unit.

with

final as (

    select
        kind_from,
        kind_to,
        service_line,
        week
    from cohorts
    where
        (kind_to <> 'collected' and arrived > entered)
        or arrived > expected + 1000
        or low > expected + 1000
        or expected > high + 1000
        or maturity < 0
        or maturity > 1
        or (kind_to <> 'collected' and expected > entered + 0.001)

)

select * from final
