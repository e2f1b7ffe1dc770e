-- Everyone who missed an appointment in the last days and has booked no other since.
-- grain: person_id, occasion
-- inputs: stg_appointment, raw_appointment

with

booked_again as (

    select
        person_id,
        max(booked_at) as booked_at
    from stg_appointment
    where is_booked
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
    where
        raw_appointment.status = 'noshow'
        and stg_appointment.starts_at between $now - $days * interval '1' day and $now
        and booked_again.booked_at < stg_appointment.starts_at

)

select * from final
