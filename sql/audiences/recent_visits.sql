-- Everyone who kept a visit in the last days, once for the latest.
-- grain: person_id, occasion
-- inputs: int_visits

with

ranked as (

    select
        person_id,
        coalesce(appointment_id, encounter_id) as occasion,
        location,
        service_line,
        visited_at,
        row_number() over (partition by person_id order by visit_id desc) as place
    from int_visits
    where
        person_id is not null
        and visited_at
        between $now - $until_days * interval '1' day
        and $now - $from_days * interval '1' day

),

final as (

    select
        person_id,
        occasion,
        location,
        service_line,
        visited_at
    from ranked
    where place = 1

)

select * from final
