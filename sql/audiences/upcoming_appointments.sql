-- Everyone with an appointment that begins within so many hours.
-- grain: person_id, occasion
-- inputs: stg_appointment, raw_appointment
--
-- An appointment that was moved is another occasion: who was reminded of the old time is told the
-- new one.

with

final as (

    select
        stg_appointment.person_id,
        concat(
            stg_appointment.appointment_id,
            ' ',
            cast(stg_appointment.starts_at at time zone 'UTC' as varchar)
        ) as occasion,
        stg_appointment.location,
        stg_appointment.service_line,
        stg_appointment.starts_at
    from stg_appointment
    inner join raw_appointment
        on
            stg_appointment.source = raw_appointment.source
            and stg_appointment.account = raw_appointment.account
            and stg_appointment.appointment_id = raw_appointment.appointment_id
    where
        raw_appointment.status = 'booked'
        and stg_appointment.starts_at
        between $now + $from_hours * interval '1' hour
        and $now + $until_hours * interval '1' hour

)

select * from final
