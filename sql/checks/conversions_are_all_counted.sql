-- Every payment and every booking that was not withdrawn is in the conversions, once.
-- inputs: raw_payment, raw_appointment, raw_withdrawn, conversions

with

loaded as (

    select
        'collected' as kind,
        count(case when raw.amount_micros > 0 then 1 end) as conversions,
        coalesce(sum(raw.amount_micros), 0) as value_micros
    from raw_payment as raw
    left join raw_withdrawn as withdrawn
        on
            raw.source = withdrawn.source
            and raw.account = withdrawn.account
            and withdrawn.table_name = 'payment'
            and raw.payment_id = withdrawn.record_id
            and (raw.updated_at is null or raw.updated_at <= withdrawn.withdrawn_at)
    where withdrawn.record_id is null
    union all
    select
        'booked' as kind,
        count(*) as conversions,
        0 as value_micros
    from raw_appointment as raw
    left join raw_withdrawn as withdrawn
        on
            raw.source = withdrawn.source
            and raw.account = withdrawn.account
            and withdrawn.table_name = 'appointment'
            and raw.appointment_id = withdrawn.record_id
            and (raw.updated_at is null or raw.updated_at <= withdrawn.withdrawn_at)
    where withdrawn.record_id is null and raw.status <> 'proposed'

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
