-- Every payment and every booking of the raw tables is in the conversions, once.
-- inputs: raw_payment, raw_appointment, conversions

with

loaded as (

    select
        'collected' as kind,
        count(case when amount_micros > 0 then 1 end) as conversions,
        coalesce(sum(amount_micros), 0) as value_micros
    from raw_payment
    union all
    select
        'booked' as kind,
        count(*) as conversions,
        0 as value_micros
    from raw_appointment
    where status <> 'proposed'

),

counted as (

    select
        kind,
        sum(conversions) as conversions,
        sum(value_micros) as value_micros
    from conversions
    group by 1

),

final as (

    select loaded.kind
    from loaded
    left join counted on loaded.kind = counted.kind
    where
        loaded.conversions <> coalesce(counted.conversions, 0)
        or loaded.value_micros <> coalesce(counted.value_micros, 0)

)

select * from final
