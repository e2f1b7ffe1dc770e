-- Everyone who missed an appointment in the last days, booked no other since and has none ahead.
-- grain: person_id, occasion
-- inputs: stg_appointment, raw_appointment, int_visits
--
-- Of a series the others were booked long before. Whoever came since needs no other either.

with

booked_again as (

    select
        person_id,
        max(booked_at) as booked_at,
        max(case when status = 'booked' and starts_at > $now then 1 else 0 end) as is_ahead
    from stg_appointment
    where is_booked
    group by person_id

),

seen as (

    select
        person_id,
        max(visited_at) as visited_at
    from int_visits
    where person_id is not null
    group by person_id

),

final as (

    select
        stg_appointment.person_id,
        stg_appointment.appointment_id as occasion,
        stg_appointment.location,
        stg_appointment.service_line,
        stg_appointment.starts_at
    from stg_appointment
    inner join raw_appointment
        on
            stg_appointment.source = raw_appointment.source
            and stg_appointment.account = raw_appointment.account
            and stg_appointment.appointment_id = raw_appointment.appointment_id
    inner join booked_again on stg_appointment.person_id = booked_again.person_id
    left join seen on stg_appointment.person_id = seen.person_id
    where
        raw_appointment.status = 'noshow'
        and stg_appointment.starts_at between $now - $days * interval '1' day and $now
        and booked_again.booked_at < stg_appointment.starts_at
        and booked_again.is_ahead = 0
        and coalesce(seen.visited_at < stg_appointment.starts_at, true)

)

select * from final
