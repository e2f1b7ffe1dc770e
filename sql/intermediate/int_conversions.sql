-- Everything that marketing is credited for: leads, bookings, visits, new patients, money.
-- grain: conversion_id
-- inputs: int_inquiries, int_visits, int_payments, stg_appointment, setting_report, setting_credit
--
-- `week` is when it is counted; `decided_at` is when touches stop mattering; touches count from
-- `opens_at` and, where `closed_at` is not null, only after it: the one before of its kind. What
-- else makes a journey (`drops_direct`, `collapses`, `gap_seconds`) comes from the settings of
-- the kind, or those of the service line where it has its own. `booked_at` is the last booking of
-- the span up to the decision, `lead_at` the last lead up to that booking (or up to the decision);
-- nobody books on the way to a lead.
-- Payments of one person for one visit in one week are one row. A refund takes money away and
-- is not counted as a conversion.

with

leads as (

    select
        'lead' as kind,
        int_inquiries.person_id,
        int_inquiries.asked_at as happened_at,
        int_inquiries.asked_at as decided_at,
        int_inquiries.service_line,
        int_inquiries.location,
        setting_report.currency,
        1 as conversions,
        cast(0 as bigint) as value_micros
    from int_inquiries
    cross join setting_report
    where
        int_inquiries.previous_at is null
        or date_diff('second', int_inquiries.previous_at, int_inquiries.asked_at)
        > setting_report.lead_gap_days * 86400

),

bookings as (

    select
        'booked' as kind,
        stg_appointment.person_id,
        stg_appointment.booked_at as happened_at,
        stg_appointment.booked_at as decided_at,
        stg_appointment.service_line,
        stg_appointment.location,
        setting_report.currency,
        1 as conversions,
        cast(0 as bigint) as value_micros
    from stg_appointment
    cross join setting_report
    where stg_appointment.is_booked

),

visits as (

    select
        int_visits.person_id,
        int_visits.visited_at,
        int_visits.service_line,
        int_visits.location,
        setting_report.currency,
        setting_report.new_patient_days,
        lag(int_visits.visited_at) over (
            partition by int_visits.person_id order by int_visits.visit_id
        ) as previous_at
    from int_visits
    cross join setting_report

),

kept as (

    select
        'kept' as kind,
        person_id,
        visited_at as happened_at,
        visited_at as decided_at,
        service_line,
        location,
        currency,
        1 as conversions,
        cast(0 as bigint) as value_micros
    from visits

),

new_patients as (

    select
        'new_patient' as kind,
        person_id,
        visited_at as happened_at,
        visited_at as decided_at,
        service_line,
        location,
        currency,
        1 as conversions,
        cast(0 as bigint) as value_micros
    from visits
    where
        person_id is not null
        and (
            previous_at is null
            or date_diff('second', previous_at, visited_at) >= new_patient_days * 86400
        )

),

payments as (

    select
        'collected' as kind,
        person_id,
        posted_at as happened_at,
        decided_at,
        service_line,
        location,
        currency,
        case when amount_micros > 0 then 1 else 0 end as conversions,
        amount_micros as value_micros
    from int_payments

),

together as (

    select * from leads
    union all
    select * from bookings
    union all
    select * from kept
    union all
    select * from new_patients
    union all
    select * from payments

),

dated as (

    select
        together.kind,
        together.person_id,
        together.decided_at,
        together.service_line,
        together.location,
        cast(
            date_trunc(
                'week', cast(together.happened_at at time zone setting_report.timezone as date)
            ) as date
        ) as week,
        together.currency,
        together.conversions,
        together.value_micros
    from together
    cross join setting_report

),

gathered as (

    select
        kind,
        person_id,
        decided_at,
        service_line,
        location,
        week,
        currency,
        cast(sum(conversions) as bigint) as conversions,
        cast(sum(value_micros) as bigint) as value_micros
    from dated
    group by 1, 2, 3, 4, 5, 6, 7

),

moments as (

    select distinct
        kind,
        person_id,
        decided_at
    from gathered
    where person_id is not null

),

spaced as (

    select
        kind,
        person_id,
        decided_at,
        lag(decided_at) over (partition by kind, person_id order by decided_at) as previous_at
    from moments

),

reached as (

    select distinct
        person_id,
        decided_at,
        max(case when kind = 'lead' then decided_at end) over (
            partition by person_id order by decided_at
        ) as lead_at,
        max(case when kind = 'booked' then decided_at end) over (
            partition by person_id order by decided_at
        ) as booked_at
    from moments

),

opened as (

    select
        gathered.kind,
        gathered.person_id,
        gathered.decided_at,
        gathered.decided_at
        - cast(coalesce(own.lookback_days, every.lookback_days) as integer) * interval '1' day
            as opens_at,
        case
            when coalesce(own.after_previous, every.after_previous) then spaced.previous_at
        end as closed_at,
        coalesce(own.drops_direct, every.drops_direct) as drops_direct,
        coalesce(own.collapses, every.collapses) as collapses,
        coalesce(own.gap_seconds, every.gap_seconds) as gap_seconds,
        reached.lead_at,
        case when gathered.kind <> 'lead' then reached.booked_at end as booked_at,
        gathered.service_line,
        gathered.location,
        gathered.week,
        gathered.currency,
        gathered.conversions,
        gathered.value_micros
    from gathered
    inner join setting_credit as every
        on gathered.kind = every.kind and every.service_line = ''
    left join setting_credit as own
        on gathered.kind = own.kind and gathered.service_line = own.service_line
    left join spaced
        on
            gathered.kind = spaced.kind
            and gathered.person_id = spaced.person_id
            and gathered.decided_at = spaced.decided_at
    left join reached
        on
            gathered.person_id = reached.person_id
            and gathered.decided_at = reached.decided_at

),

spanned as (

    select
        *,
        case
            when booked_at >= opens_at and (closed_at is null or booked_at > closed_at)
                then booked_at
        end as own_booked_at
    from opened

),

final as (

    select
        row_number() over (
            order by
                spanned.kind,
                spanned.decided_at,
                spanned.person_id,
                spanned.service_line,
                spanned.location,
                spanned.week,
                spanned.currency
        ) as conversion_id,
        spanned.kind,
        spanned.person_id,
        spanned.decided_at,
        spanned.opens_at,
        spanned.closed_at,
        spanned.drops_direct,
        spanned.collapses,
        spanned.gap_seconds,
        case
            when spanned.own_booked_at is null then spanned.lead_at else reached.lead_at
        end as lead_at,
        spanned.own_booked_at as booked_at,
        spanned.service_line,
        spanned.location,
        spanned.week,
        spanned.currency,
        spanned.conversions,
        spanned.value_micros
    from spanned
    left join reached
        on
            spanned.person_id = reached.person_id
            and spanned.own_booked_at = reached.decided_at

)

select * from final
