-- Everyone who saw a doctor in the last days who has a video for them.
-- grain: person_id, occasion
-- inputs: int_visits, raw_appointment, told_providers
--
-- Which doctors have one is told in the settings, [outreach.providers.<code>].

with

ranked as (

    select
        int_visits.person_id,
        int_visits.appointment_id as occasion,
        int_visits.location,
        int_visits.service_line,
        raw_appointment.provider,
        row_number() over (
            partition by int_visits.person_id
            order by
                int_visits.visit_id desc,
                raw_appointment.source asc,
                raw_appointment.account asc
        ) as place
    from int_visits
    inner join raw_appointment on int_visits.appointment_id = raw_appointment.appointment_id
    inner join told_providers on raw_appointment.provider = told_providers.provider
    where
        int_visits.person_id is not null
        and told_providers.has_video
        and int_visits.visited_at
        between $now - $until_days * interval '1' day
        and $now - $from_days * interval '1' day

),

final as (

    select
        person_id,
        occasion,
        location,
        service_line,
        provider
    from ranked
    where place = 1

)

select * from final
