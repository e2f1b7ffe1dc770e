-- Every payment with the visit it pays for, which is when it was decided.
-- grain: source, account, payment_id
-- inputs: stg_payment, stg_appointment, stg_encounter, int_visits, int_visit_records,
--   setting_report
--
-- The visit is found by the appointment's or the encounter's number, else it is the person's kept
-- visit on the day of posting (of several the nearest), else the latest before it, else the posting
-- itself. Many ledgers know the day of posting alone, which is its midnight here, so what is paid
-- on the day of the visit is paid for it. What is paid ahead was decided by the day it was paid: a
-- later touch cannot have caused it. `kept_at` is the kept visit, which may be later then; null
-- where there is none.

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

days as (

    select
        stg_payment.source,
        stg_payment.account,
        stg_payment.payment_id,
        stg_payment.person_id,
        stg_payment.appointment_id,
        stg_payment.encounter_id,
        stg_payment.posted_at,
        stg_payment.currency,
        stg_payment.amount_micros,
        cast(stg_payment.posted_at at time zone setting_report.timezone as date) as day,
        setting_report.timezone
    from stg_payment
    cross join setting_report

),

payments as (

    select
        source,
        account,
        payment_id,
        person_id,
        appointment_id,
        encounter_id,
        posted_at,
        currency,
        amount_micros,
        cast(day as timestamp) at time zone timezone as day_begins,
        cast(day + interval '1' day as timestamp) at time zone timezone as day_ends
    from days

),

nearest as (

    select
        payments.source,
        payments.account,
        payments.payment_id,
        int_visits.visit_id,
        row_number() over (
            partition by payments.source, payments.account, payments.payment_id
            order by
                case when int_visits.visited_at >= payments.day_begins then 0 else 1 end,
                abs(date_diff('second', int_visits.visited_at, payments.posted_at)),
                int_visits.visit_id desc
        ) as place
    from payments
    inner join int_visits
        on
            payments.person_id = int_visits.person_id
            and payments.day_ends > int_visits.visited_at

),

found as (

    select
        payments.*,
        coalesce(records.visited_at, encounters.visited_at) as planned_at,
        coalesce(records.service_line, encounters.service_line) as service_line,
        coalesce(records.location, encounters.location) as location,
        coalesce(
            booked.visit_id,
            seen.visit_id,
            case
                when records.record_id is null and encounters.record_id is null
                    then nearest.visit_id
            end
        ) as visit_id
    from payments
    left join records on payments.appointment_id = records.record_id
    left join encounters on payments.encounter_id = encounters.record_id
    left join int_visit_records as booked
        on payments.appointment_id = booked.record_id and booked.record = 'appointment'
    left join int_visit_records as seen
        on payments.encounter_id = seen.record_id and seen.record = 'encounter'
    left join nearest
        on
            payments.source = nearest.source
            and payments.account = nearest.account
            and payments.payment_id = nearest.payment_id
            and nearest.place = 1

),

matched as (

    select
        found.source,
        found.account,
        found.payment_id,
        found.person_id,
        found.posted_at,
        found.day_ends,
        found.currency,
        found.amount_micros,
        int_visits.visited_at as kept_at,
        coalesce(int_visits.visited_at, found.planned_at, found.posted_at) as visited_at,
        coalesce(int_visits.service_line, found.service_line, 'unassigned') as service_line,
        coalesce(int_visits.location, found.location, 'unassigned') as location
    from found
    left join int_visits on found.visit_id = int_visits.visit_id

),

final as (

    select
        source,
        account,
        payment_id,
        person_id,
        posted_at,
        case when visited_at < day_ends then visited_at else posted_at end as decided_at,
        kept_at,
        service_line,
        location,
        currency,
        amount_micros
    from matched

)

select * from final
