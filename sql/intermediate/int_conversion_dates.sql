-- The weeks in which a conversion's visit was booked and took place: what else it can be dated by.
-- grain: conversion_id, booked_week, visit_week
-- inputs: int_conversions, int_payments, int_visits, stg_appointment, setting_report
--
-- Bookings made in one moment are one conversion, and their visits may be in many weeks: each has
-- its row, and rows add up to the conversion. Where there is no booking (a lead, a visit that
-- nobody booked) or no visit (a lead), the week in which the conversion happened stands for it,
-- and `has_booking` or `has_visit` is false. The visit of a booking is the one that was planned.
-- What is paid ahead for a visit that was kept has that visit; a conversion that holds other money
-- too has the visit of its earliest moment, which may be the one at which it was paid.
-- Nobody who is unknown has an own number, so there -1 stands for all of them at that moment.
-- `dated_by` is part of what is joined on: as a condition of conversions alone it would keep the
-- engine from hashing, and each conversion would be held against every visit.

with

bookings as (

    select
        'booking' as dated_by,
        coalesce(stg_appointment.person_id, -1) as person_id,
        stg_appointment.booked_at as decided_at,
        stg_appointment.service_line,
        stg_appointment.location,
        cast(
            date_trunc(
                'week', cast(stg_appointment.booked_at at time zone setting_report.timezone as date)
            ) as date
        ) as week,
        cast(
            date_trunc(
                'week',
                cast(
                    coalesce(stg_appointment.starts_at, stg_appointment.booked_at)
                    at time zone setting_report.timezone as date
                )
            ) as date
        ) as visit_week,
        count(*) as bookings
    from stg_appointment
    cross join setting_report
    where stg_appointment.is_booked
    group by 1, 2, 3, 4, 5, 6, 7

),

records as (

    select
        appointment_id,
        min(booked_at) as booked_at
    from stg_appointment
    where is_booked
    group by appointment_id

),

visits as (

    select
        coalesce(int_visits.person_id, -1) as person_id,
        int_visits.visited_at,
        int_visits.service_line,
        int_visits.location,
        min(records.booked_at) as booked_at
    from int_visits
    left join records on int_visits.appointment_id = records.appointment_id
    group by 1, 2, 3, 4

),

dated as (

    select
        'visit' as dated_by,
        visits.person_id,
        visits.visited_at,
        visits.service_line,
        visits.location,
        cast(
            date_trunc(
                'week', cast(visits.visited_at at time zone setting_report.timezone as date)
            ) as date
        ) as visit_week,
        cast(
            date_trunc(
                'week', cast(visits.booked_at at time zone setting_report.timezone as date)
            ) as date
        ) as booked_week
    from visits
    cross join setting_report

),

paid_ahead as (

    select
        'collected' as kind,
        int_payments.person_id,
        int_payments.decided_at,
        int_payments.service_line,
        int_payments.location,
        cast(
            date_trunc(
                'week', cast(int_payments.posted_at at time zone setting_report.timezone as date)
            ) as date
        ) as week,
        int_payments.currency,
        min(coalesce(int_payments.kept_at, int_payments.decided_at)) as kept_at
    from int_payments
    cross join setting_report
    where int_payments.person_id is not null
    group by 1, 2, 3, 4, 5, 6, 7
    having min(coalesce(int_payments.kept_at, int_payments.decided_at)) > int_payments.decided_at

),

conversions as (

    select
        int_conversions.conversion_id,
        case
            when int_conversions.kind = 'booked' then 'booking'
            when int_conversions.kind in ('kept', 'new_patient', 'collected') then 'visit'
        end as dated_by,
        coalesce(int_conversions.person_id, -1) as person_id,
        coalesce(paid_ahead.kept_at, int_conversions.decided_at) as decided_at,
        int_conversions.service_line,
        int_conversions.location,
        int_conversions.week,
        int_conversions.conversions,
        int_conversions.value_micros
    from int_conversions
    left join paid_ahead
        on
            int_conversions.kind = paid_ahead.kind
            and int_conversions.person_id = paid_ahead.person_id
            and int_conversions.decided_at = paid_ahead.decided_at
            and int_conversions.service_line = paid_ahead.service_line
            and int_conversions.location = paid_ahead.location
            and int_conversions.week = paid_ahead.week
            and int_conversions.currency = paid_ahead.currency

),

final as (

    select
        conversions.conversion_id,
        coalesce(bookings.week, dated.booked_week, conversions.week) as booked_week,
        coalesce(bookings.visit_week, dated.visit_week, conversions.week) as visit_week,
        coalesce(bookings.week, dated.booked_week) is not null as has_booking,
        coalesce(bookings.visit_week, dated.visit_week) is not null as has_visit,
        cast(coalesce(bookings.bookings, conversions.conversions) as bigint) as conversions,
        conversions.value_micros
    from conversions
    left join bookings
        on
            conversions.dated_by = bookings.dated_by
            and conversions.person_id = bookings.person_id
            and conversions.decided_at = bookings.decided_at
            and conversions.service_line = bookings.service_line
            and conversions.location = bookings.location
    left join dated
        on
            conversions.dated_by = dated.dated_by
            and conversions.person_id = dated.person_id
            and conversions.decided_at = dated.visited_at
            and conversions.service_line = dated.service_line
            and conversions.location = dated.location

)

select * from final
