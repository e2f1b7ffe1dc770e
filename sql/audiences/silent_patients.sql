-- Everyone whose last kept visit is so many days ago and who has none ahead.
-- grain: person_id, occasion
-- inputs: int_silences, stg_appointment

with

ahead as (

    select distinct person_id
    from stg_appointment
    where status = 'booked' and starts_at > $now

),

final as (

    select
        int_silences.person_id,
        cast(cast(int_silences.visited_at at time zone 'UTC' as date) as varchar) as occasion,
        int_silences.location,
        int_silences.service_line
    from int_silences
    left join ahead on int_silences.person_id = ahead.person_id
    where
        int_silences.next_at is null
        and ahead.person_id is null
        and int_silences.visited_at
        between $now - $until_days * interval '1' day
        and $now - $from_days * interval '1' day

)

select * from final
