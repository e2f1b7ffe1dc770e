-- Everything that is a conversion, not numbered yet, with what its person did before.
-- grain: kind, decided_at, person_id, service_line, location, week, currency
-- inputs: int_inquiries, int_visits, int_payments, stg_appointment, setting_report
-- parts: int_inquiries and stg_appointment and int_visits and int_payments by part_key
--
-- `previous_at` is the moment before of the same kind; `lead_at` and `booked_at` are the last lead
-- and the last booking up to this moment, `booked_lead_at` the last lead up to that booking.
-- `decided_day` counts days of UTC since 1970. Payments of one person for one visit in one week are
-- one row. A refund takes money away and is not counted as a conversion.

with

-- People are worked on in parts; those that nobody knows by the second, to be in many of them. Each
-- part is taken before anything is worked out of it.
inquiries as (

    select
        person_id,
        asked_at,
        previous_at,
        service_line,
        location,
        coalesce(person_id, cast(floor(extract(epoch from asked_at)) as bigint)) as part_key
    from int_inquiries

),

leads as (

    select
        'lead' as kind,
        inquiries.person_id,
        inquiries.asked_at as happened_at,
        inquiries.asked_at as decided_at,
        inquiries.service_line,
        inquiries.location,
        setting_report.currency,
        1 as conversions,
        cast(0 as bigint) as value_micros
    from inquiries
    cross join setting_report
    where
        inquiries.part_key % 1 = 0
        and (
            inquiries.previous_at is null
            or date_diff('second', inquiries.previous_at, inquiries.asked_at)
            > setting_report.lead_gap_days * 86400
        )

),

appointments as (

    select
        person_id,
        booked_at,
        service_line,
        location,
        coalesce(person_id, cast(floor(extract(epoch from booked_at)) as bigint)) as part_key
    from stg_appointment
    where is_booked

),

bookings as (

    select
        'booked' as kind,
        appointments.person_id,
        appointments.booked_at as happened_at,
        appointments.booked_at as decided_at,
        appointments.service_line,
        appointments.location,
        setting_report.currency,
        1 as conversions,
        cast(0 as bigint) as value_micros
    from appointments
    cross join setting_report
    where appointments.part_key % 1 = 0

),

came as (

    select
        visit_id,
        person_id,
        visited_at,
        service_line,
        location,
        coalesce(person_id, cast(floor(extract(epoch from visited_at)) as bigint)) as part_key
    from int_visits

),

visits as (

    select
        came.person_id,
        came.visited_at,
        came.service_line,
        came.location,
        setting_report.currency,
        setting_report.new_patient_days,
        lag(came.visited_at) over (
            partition by came.person_id order by came.visit_id
        ) as previous_at
    from came
    cross join setting_report
    where came.part_key % 1 = 0

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

paid as (

    select
        person_id,
        posted_at,
        decided_at,
        service_line,
        location,
        currency,
        amount_micros,
        coalesce(person_id, cast(floor(extract(epoch from decided_at)) as bigint)) as part_key
    from int_payments

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
    from paid
    where part_key % 1 = 0

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

-- What was decided at one moment of a person, and the last of each kind before it.
moments as (

    select
        person_id,
        decided_at,
        max(case when kind = 'lead' then decided_at end) as lead_at,
        max(case when kind = 'booked' then decided_at end) as booked_at,
        max(case when kind = 'kept' then decided_at end) as kept_at,
        max(case when kind = 'new_patient' then decided_at end) as new_patient_at,
        max(case when kind = 'collected' then decided_at end) as collected_at
    from gathered
    where person_id is not null
    group by person_id, decided_at

),

followed as (

    select
        person_id,
        decided_at,
        lead_at,
        booked_at,
        max(lead_at) over (
            partition by person_id order by decided_at
            rows between unbounded preceding and 1 preceding
        ) as last_lead_at,
        max(booked_at) over (
            partition by person_id order by decided_at
            rows between unbounded preceding and 1 preceding
        ) as last_booked_at,
        max(kept_at) over (
            partition by person_id order by decided_at
            rows between unbounded preceding and 1 preceding
        ) as last_kept_at,
        max(new_patient_at) over (
            partition by person_id order by decided_at
            rows between unbounded preceding and 1 preceding
        ) as last_new_patient_at,
        max(collected_at) over (
            partition by person_id order by decided_at
            rows between unbounded preceding and 1 preceding
        ) as last_collected_at
    from moments

),

reached as (

    select
        person_id,
        decided_at,
        last_lead_at,
        last_booked_at,
        last_kept_at,
        last_new_patient_at,
        last_collected_at,
        coalesce(lead_at, last_lead_at) as lead_at,
        coalesce(booked_at, last_booked_at) as booked_at,
        max(case when booked_at is not null then coalesce(lead_at, last_lead_at) end) over (
            partition by person_id order by decided_at
        ) as booked_lead_at
    from followed

),

final as (

    select
        gathered.kind,
        gathered.person_id,
        gathered.decided_at,
        cast(floor(extract(epoch from gathered.decided_at) / 86400) as integer) as decided_day,
        case gathered.kind
            when 'lead' then reached.last_lead_at
            when 'booked' then reached.last_booked_at
            when 'kept' then reached.last_kept_at
            when 'new_patient' then reached.last_new_patient_at
            when 'collected' then reached.last_collected_at
        end as previous_at,
        reached.lead_at,
        reached.booked_at,
        reached.booked_lead_at,
        gathered.service_line,
        gathered.location,
        gathered.week,
        gathered.currency,
        gathered.conversions,
        gathered.value_micros
    from gathered
    left join reached
        on gathered.person_id = reached.person_id and gathered.decided_at = reached.decided_at

)

select * from final
