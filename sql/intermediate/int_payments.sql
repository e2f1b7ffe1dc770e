-- Every payment with the visit it pays for, which is when it was decided.
-- grain: source, account, payment_id
-- inputs: stg_payment, stg_appointment, stg_encounter, int_visits
--
-- The visit is found by the appointment's or the encounter's number, else it is the person's
-- latest kept visit at or before posting, else the posting itself. What is paid ahead was
-- decided by the day it was paid: a later touch cannot have caused it.

with

records as (

    select
        appointment_id as record_id,
        min(starts_at) as visited_at,
        min(service_line) as service_line,
        min(location) as location
    from stg_appointment
    group by appointment_id

),

encounters as (

    select
        encounter_id as record_id,
        min(starts_at) as visited_at,
        min(service_line) as service_line,
        min(location) as location
    from stg_encounter
    group by encounter_id

),

latest as (

    select
        stg_payment.source,
        stg_payment.account,
        stg_payment.payment_id,
        int_visits.visited_at,
        int_visits.service_line,
        int_visits.location,
        row_number() over (
            partition by stg_payment.source, stg_payment.account, stg_payment.payment_id
            order by int_visits.visited_at desc, int_visits.visit_id desc
        ) as place
    from stg_payment
    inner join int_visits
        on
            stg_payment.person_id = int_visits.person_id
            and stg_payment.posted_at >= int_visits.visited_at

),

matched as (

    select
        stg_payment.source,
        stg_payment.account,
        stg_payment.payment_id,
        stg_payment.person_id,
        stg_payment.posted_at,
        stg_payment.currency,
        stg_payment.amount_micros,
        coalesce(
            records.visited_at, encounters.visited_at, latest.visited_at, stg_payment.posted_at
        ) as visited_at,
        coalesce(
            records.service_line, encounters.service_line, latest.service_line, 'unassigned'
        ) as service_line,
        coalesce(
            records.location, encounters.location, latest.location, 'unassigned'
        ) as location
    from stg_payment
    left join records on stg_payment.appointment_id = records.record_id
    left join encounters on stg_payment.encounter_id = encounters.record_id
    left join latest
        on
            stg_payment.source = latest.source
            and stg_payment.account = latest.account
            and stg_payment.payment_id = latest.payment_id
            and latest.place = 1

),

final as (

    select
        source,
        account,
        payment_id,
        person_id,
        posted_at,
        case when visited_at < posted_at then visited_at else posted_at end as decided_at,
        service_line,
        location,
        currency,
        amount_micros
    from matched

)

select * from final
