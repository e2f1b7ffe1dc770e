-- The groups of diagnoses that each person was ever given: the commonest by name, the rest as one.
-- grain: person_id, condition
-- inputs: stg_encounter, stg_care_code
--
-- A visit may name several groups with | between them; the first sixteen are read. The thirty that
-- most people have are named; who has any other has `other` once.

with

four as (

    select 0 as n
    union all
    select 1 as n
    union all
    select 2 as n
    union all
    select 3 as n

),

places as (

    select 4 * fours.n + ones.n + 1 as place
    from four as fours
    cross join four as ones

),

told as (

    select
        stg_encounter.person_id,
        split_part(stg_encounter.diagnosis_groups, '|', places.place) as code_group
    from stg_encounter
    inner join places
        on
            length(stg_encounter.diagnosis_groups)
            - length(replace(stg_encounter.diagnosis_groups, '|', '')) + 1 >= places.place
    where stg_encounter.person_id is not null and stg_encounter.diagnosis_groups <> ''
    union all
    select
        coalesce(stg_encounter.person_id, stg_care_code.person_id) as person_id,
        stg_care_code.code_group
    from stg_care_code
    left join stg_encounter
        on
            stg_care_code.source = stg_encounter.source
            and stg_care_code.account = stg_encounter.account
            and stg_care_code.encounter_id = stg_encounter.encounter_id
    where stg_care_code.kind = 'diagnosis'

),

given as (

    select distinct
        person_id,
        trim(code_group) as code_group
    from told
    where person_id is not null and trim(code_group) <> ''

),

common as (

    select code_group
    from given
    group by code_group
    order by count(*) desc, code_group asc
    limit 30

),

final as (

    select distinct
        given.person_id,
        coalesce(common.code_group, 'other') as condition
    from given
    left join common on given.code_group = common.code_group

)

select * from final
