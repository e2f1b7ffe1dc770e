-- Everyone whose last statement says that something is open and due soon, or since some days.
-- grain: person_id, occasion
-- inputs: stg_payment, raw_payment

with

statements as (

    select
        stg_payment.person_id,
        raw_payment.balance_micros,
        raw_payment.currency,
        raw_payment.due_on,
        row_number() over (
            partition by stg_payment.person_id
            order by stg_payment.posted_at desc, stg_payment.payment_id asc
        ) as place
    from stg_payment
    inner join raw_payment
        on
            stg_payment.source = raw_payment.source
            and stg_payment.account = raw_payment.account
            and stg_payment.payment_id = raw_payment.payment_id
    where stg_payment.person_id is not null and raw_payment.balance_micros is not null

),

final as (

    select
        person_id,
        cast(due_on as varchar) as occasion,
        due_on,
        currency,
        balance_micros / 1000000 as balance
    from statements
    where
        place = 1
        and balance_micros >= $least * 1000000
        and due_on
        between cast($now at time zone $timezone as date) - cast($overdue_days as integer)
        and cast($now at time zone $timezone as date) + cast($ahead_days as integer)

)

select * from final
