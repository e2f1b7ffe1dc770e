-- Everybody who can be looked up: what the record says of them, and the sources that know them.
-- grain: person_id
-- inputs: person_numbers, int_people, int_person_sources

with

known as (

    select distinct person_id
    from person_numbers

),

told as (

    select
        int_person_sources.person_id,
        string_agg(int_person_sources.source, '|' order by int_person_sources.source) as sources
    from int_person_sources
    inner join known on int_person_sources.person_id = known.person_id
    group by int_person_sources.person_id

),

final as (

    select
        known.person_id,
        coalesce(told.sources, '') as sources,
        int_people.person_id is not null as is_patient,
        coalesce(int_people.deceased, false) as deceased,
        int_people.birth_year,
        int_people.sex,
        int_people.zip3,
        int_people.language
    from known
    left join told on known.person_id = told.person_id
    left join int_people on known.person_id = int_people.person_id

)

select * from final
order by person_id
