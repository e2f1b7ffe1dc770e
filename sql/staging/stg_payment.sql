-- Every payment received, and every refund as a negative one.
-- grain: source, account, payment_id
-- inputs: raw_payment, identity

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
        raw.amount_micros
    from raw_payment as raw
    left join identity on raw.identifier = identity.identifier

)

select * from final
