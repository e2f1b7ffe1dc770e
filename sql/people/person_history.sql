-- Every merge and split of people, in the order in which they were found.
-- grain: number
-- inputs: stg_person_change

with

final as (

    select
        number,
        kind,
        from_person,
        to_person,
        found_on,
        cause
    from stg_person_change

)

select * from final
order by number
