-- What happened to each person in care: bookings, visits, codes, payments, answers.
-- grain: person_id, happened_at, kind, what, source, account, record_id, detail
-- inputs: stg_appointment, stg_encounter, stg_care_code, stg_payment, int_payments, stg_feedback
--
-- A booking and its visit are two rows; `other_at` of one is when the other is. `number` is minutes
-- waited, or a score with `out_of` its scale; of a survey the best answers of so many answers.
-- `detail` is a group of codes, a payer's class, the day a balance is due, the name of a survey:
-- never text that somebody wrote.

with

booked as (

    select
        person_id,
        booked_at as happened_at,
        'booking' as kind,
        case when status = 'proposed' then 'proposed' else 'booked' end as what,
        source,
        account,
        appointment_id as record_id,
        service_line,
        location,
        cast(starts_at as timestamp with time zone) as other_at,
        cast(null as double precision) as number,
        cast(null as double precision) as out_of,
        cast(null as bigint) as amount_micros,
        '' as currency,
        '' as detail
    from stg_appointment

),

visits as (

    select
        person_id,
        starts_at as happened_at,
        'visit' as kind,
        status as what,
        source,
        account,
        appointment_id as record_id,
        service_line,
        location,
        booked_at as other_at,
        minutes_waited as number,
        cast(null as double precision) as out_of,
        cast(null as bigint) as amount_micros,
        '' as currency,
        '' as detail
    from stg_appointment

),

unbooked as (

    select
        stg_encounter.person_id,
        stg_encounter.starts_at as happened_at,
        'encounter' as kind,
        case when stg_encounter.is_visit then 'visit' else 'stay' end as what,
        stg_encounter.source,
        stg_encounter.account,
        stg_encounter.encounter_id as record_id,
        stg_encounter.service_line,
        stg_encounter.location,
        cast(null as timestamp with time zone) as other_at,
        stg_encounter.minutes_waited as number,
        cast(null as double precision) as out_of,
        cast(null as bigint) as amount_micros,
        '' as currency,
        stg_encounter.class_code as detail
    from stg_encounter
    left join stg_appointment
        on
            stg_encounter.source = stg_appointment.source
            and stg_encounter.account = stg_appointment.account
            and stg_encounter.appointment_id = stg_appointment.appointment_id
    where stg_appointment.appointment_id is null

),

visit_codes as (

    select
        person_id,
        starts_at as happened_at,
        'diagnosis' as kind,
        '' as what,
        source,
        account,
        encounter_id as record_id,
        service_line,
        location,
        cast(null as timestamp with time zone) as other_at,
        cast(null as double precision) as number,
        cast(null as double precision) as out_of,
        cast(null as bigint) as amount_micros,
        '' as currency,
        diagnosis_groups as detail
    from stg_encounter
    where diagnosis_groups <> ''
    union all
    select
        person_id,
        starts_at as happened_at,
        'procedure' as kind,
        '' as what,
        source,
        account,
        encounter_id as record_id,
        service_line,
        location,
        cast(null as timestamp with time zone) as other_at,
        cast(null as double precision) as number,
        cast(null as double precision) as out_of,
        cast(null as bigint) as amount_micros,
        '' as currency,
        procedure_groups as detail
    from stg_encounter
    where procedure_groups <> ''

),

codes as (

    select
        coalesce(stg_encounter.person_id, stg_care_code.person_id) as person_id,
        coalesce(stg_encounter.starts_at, stg_care_code.coded_at) as happened_at,
        stg_care_code.kind,
        '' as what,
        stg_care_code.source,
        stg_care_code.account,
        stg_care_code.care_code_id as record_id,
        coalesce(
            stg_encounter.service_line, stg_care_code.service_line, 'unassigned'
        ) as service_line,
        coalesce(stg_encounter.location, 'unassigned') as location,
        cast(null as timestamp with time zone) as other_at,
        cast(null as double precision) as number,
        cast(null as double precision) as out_of,
        cast(null as bigint) as amount_micros,
        '' as currency,
        stg_care_code.code_group as detail
    from stg_care_code
    left join stg_encounter
        on
            stg_care_code.source = stg_encounter.source
            and stg_care_code.account = stg_encounter.account
            and stg_care_code.encounter_id = stg_encounter.encounter_id
    where coalesce(stg_care_code.coded_at, stg_encounter.starts_at) is not null

),

money as (

    select
        stg_payment.person_id,
        stg_payment.posted_at as happened_at,
        'payment' as kind,
        case when stg_payment.amount_micros < 0 then 'refund' else 'payment' end as what,
        stg_payment.source,
        stg_payment.account,
        stg_payment.payment_id as record_id,
        int_payments.service_line,
        int_payments.location,
        cast(null as timestamp with time zone) as other_at,
        cast(null as double precision) as number,
        cast(null as double precision) as out_of,
        stg_payment.amount_micros,
        stg_payment.currency,
        stg_payment.payer_class as detail
    from stg_payment
    inner join int_payments
        on
            stg_payment.source = int_payments.source
            and stg_payment.account = int_payments.account
            and stg_payment.payment_id = int_payments.payment_id

),

balances as (

    select
        person_id,
        posted_at as happened_at,
        'balance' as kind,
        '' as what,
        source,
        account,
        payment_id as record_id,
        'unassigned' as service_line,
        'unassigned' as location,
        cast(null as timestamp with time zone) as other_at,
        cast(null as double precision) as number,
        cast(null as double precision) as out_of,
        balance_micros as amount_micros,
        currency,
        coalesce(cast(due_on as varchar), '') as detail
    from stg_payment
    where balance_micros is not null

),

answers as (

    select
        person_id,
        min(answered_at) as happened_at,
        'feedback' as kind,
        kind as what,
        source,
        account,
        response_id as record_id,
        min(service_line) as service_line,
        min(location) as location,
        cast(null as timestamp with time zone) as other_at,
        case when kind = 'survey' then sum(top_box) else min(score) end as number,
        case when kind = 'survey' then count(*) else min(scale_max) end as out_of,
        cast(null as bigint) as amount_micros,
        '' as currency,
        survey as detail
    from stg_feedback
    group by person_id, source, account, response_id, kind, survey

),

final as (

    select * from booked
    union all
    select * from visits
    union all
    select * from unbooked
    union all
    select * from visit_codes
    union all
    select * from codes
    union all
    select * from money
    union all
    select * from balances
    union all
    select * from answers

)

select * from final
