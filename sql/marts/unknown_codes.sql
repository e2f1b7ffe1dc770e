-- Codes of visits without a service line that no rule knows: what to add to the table of rules.
-- grain: source, said_of, system, code
-- inputs: stg_appointment, stg_encounter, stg_care_code
--
-- Told are the code of a booking's or a visit's kind, and those of its diagnoses. Codes of fewer
-- than eleven people are told together as "(rare)", and where those are still fewer than eleven
-- there is no number. What has no code at all is "(no code)".

with

told as (

    select
        source,
        'booking' as said_of,
        unknown_code,
        appointment_id as visit_id,
        person_id
    from stg_appointment
    where unknown_code is not null and service_line = 'unassigned'
    union all
    select
        source,
        'visit' as said_of,
        unknown_code,
        encounter_id as visit_id,
        person_id
    from stg_encounter
    where unknown_code is not null and service_line = 'unassigned'
    union all
    select
        stg_care_code.source,
        'diagnosis' as said_of,
        stg_care_code.unknown_code,
        stg_care_code.encounter_id as visit_id,
        stg_encounter.person_id
    from stg_care_code
    inner join stg_encounter
        on
            stg_care_code.source = stg_encounter.source
            and stg_care_code.account = stg_encounter.account
            and stg_care_code.encounter_id = stg_encounter.encounter_id
    where stg_care_code.unknown_code is not null and stg_encounter.service_line = 'unassigned'

),

counted as (

    select
        source,
        said_of,
        unknown_code,
        regexp_matches(unknown_code, '[^ @]+(@|%40)[^ @]+[.]|[0-9a-fA-F]{32}') as is_hidden,
        count(distinct person_id) as people
    from told
    group by 1, 2, 3

),

named as (

    select
        told.source,
        told.said_of,
        told.visit_id,
        told.person_id,
        case
            when counted.is_hidden then '(hidden)'
            else split_part(told.unknown_code, '|', 1)
        end as system,
        case
            when told.unknown_code = '|' then '(no code)'
            when counted.people < 11 then '(rare)'
            when counted.is_hidden then '(hidden)'
            else split_part(told.unknown_code, '|', 2)
        end as code
    from told
    inner join counted
        on
            told.source = counted.source
            and told.said_of = counted.said_of
            and told.unknown_code = counted.unknown_code

),

summed as (

    select
        source,
        said_of,
        system,
        code,
        count(distinct visit_id) as visits,
        count(distinct person_id) as people
    from named
    group by 1, 2, 3, 4

),

final as (

    select
        source,
        said_of,
        system,
        code,
        case when people > 10 then visits end as visits,
        case when people > 10 then people end as people
    from summed

)

select * from final
order by source, said_of, system, code
