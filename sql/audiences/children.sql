-- Every child who is a patient, by age; the address of a child's record is its guardian's.
-- grain: person_id, occasion
-- inputs: int_people
--
-- Only the year of birth is known, so an age is the one that is reached this year.

with

final as (

    select
        person_id,
        '' as occasion,
        year(cast($now at time zone $timezone as date)) - birth_year as age
    from int_people
    where
        person_id is not null
        and year(cast($now at time zone $timezone as date)) - birth_year
        between $from_age and $until_age

)

select * from final
