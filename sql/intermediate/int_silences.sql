-- Every stretch of silence: from a kept visit to the next one of that person, or to none yet.
-- grain: visit_id
-- inputs: int_visits

with

final as (

    select
        visit_id,
        person_id,
        visited_at,
        lead(visited_at) over (partition by person_id order by visit_id) as next_at,
        service_line,
        location
    from int_visits
    where person_id is not null

)

select * from final
