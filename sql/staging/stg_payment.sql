-- Every payment received, and every refund as a negative one.
-- grain: source, account, payment_id
-- inputs: raw_payment, raw_withdrawn, identity

with

final as (

    select
        raw.source,
        raw.account,
        raw.payment_id,
        raw.appointment_id,
        raw.encounter_id,
        identity.person_id,
        raw.posted_at,
        raw.currency,
        raw.amount_micros,
        coalesce(trim(raw.payer_class), '') as payer_class,
        raw.balance_micros,
        raw.due_on
    from raw_payment as raw
    left join identity on raw.identifier = identity.identifier
    left join raw_withdrawn as withdrawn
        on
            raw.source = withdrawn.source
            and raw.account = withdrawn.account
            and withdrawn.table_name = 'payment'
            and raw.payment_id = withdrawn.record_id
            and (raw.updated_at is null or raw.updated_at <= withdrawn.withdrawn_at)
    where withdrawn.record_id is null

)

select * from final
