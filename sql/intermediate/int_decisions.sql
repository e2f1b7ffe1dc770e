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

-- People are worked on in parts; those that nobody knows by the second, to be in many of them.
dated as (

    select
        together.kind,
        together.person_id,
        coalesce(
            together.person_id, cast(floor(extract(epoch from together.decided_at)) as bigint)
        ) as part_key,
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
    where part_key % 1 = 0
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
