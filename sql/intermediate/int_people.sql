-- Every patient in one row: of several records, which one each attribute is taken from.
-- grain: person_id
-- inputs: stg_person
--
-- Each attribute on its own: the record that was updated last and says anything; of two as old, or
-- without a date, the first by source, account and number. Dead is who any record says is dead.

with

said as (

    select
        person_id,
        source,
        account,
        patient_id,
        updated_at,
        'birth_year' as name,
        birth_year as value
    from stg_person
    union all
    select
        person_id,
        source,
        account,
        patient_id,
        updated_at,
        'sex' as name,
        sex as value
    from stg_person
    union all
    select
        person_id,
        source,
        account,
        patient_id,
        updated_at,
        'zip3' as name,
        zip3 as value
    from stg_person
    union all
    select
        person_id,
        source,
        account,
        patient_id,
        updated_at,
        'language' as name,
        language as value
    from stg_person

),

ranked as (

    select
        person_id,
        name,
        value,
        row_number() over (
            partition by person_id, name
            order by updated_at desc nulls last, source asc, account asc, patient_id asc
        ) as place
    from said
    where value is not null and value <> ''

),

dead as (

    select
        person_id,
        max(case when deceased then 1 else 0 end) = 1 as deceased
    from stg_person
    where person_id is not null
    group by person_id

),

final as (

    select
        dead.person_id,
        dead.deceased,
        cast(max(case when ranked.name = 'birth_year' then ranked.value end) as integer)
            as birth_year,
        max(case when ranked.name = 'sex' then ranked.value end) as sex,
        max(case when ranked.name = 'zip3' then ranked.value end) as zip3,
        max(case when ranked.name = 'language' then ranked.value end) as language
    from dead
    left join ranked on dead.person_id = ranked.person_id and ranked.place = 1
    group by dead.person_id, dead.deceased

)

select * from final
