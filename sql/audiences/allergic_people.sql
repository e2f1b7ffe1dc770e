-- Everyone with a seasonal allergy, where much of some pollen is in the air.
-- grain: person_id, occasion
-- inputs: stg_encounter, stg_care_code, int_visits, stg_environment
--
-- An allergy is a diagnosis in one of the groups. Where somebody lives is where their last visit
-- was. The last day on which pollen was measured counts, if it is not older than some days.

with

coded as (

    select
        person_id,
        coalesce(diagnosis_groups, '') as code_groups
    from stg_encounter
    union all
    select
        person_id,
        coalesce(code_group, '') as code_groups
    from stg_care_code

),

allergic as (

    select distinct person_id
    from coded
    where person_id is not null and regexp_matches(upper(code_groups), $groups)

),

homes as (

    select
        person_id,
        location,
        row_number() over (partition by person_id order by visit_id desc) as place
    from int_visits
    where person_id is not null

),

measured as (

    select
        place as location,
        day,
        greatest(
            coalesce(pollen_tree, 0), coalesce(pollen_grass, 0), coalesce(pollen_weed, 0)
        ) as grains,
        case
            when
                coalesce(pollen_tree, 0)
                >= greatest(coalesce(pollen_grass, 0), coalesce(pollen_weed, 0))
                then 'tree'
            when coalesce(pollen_grass, 0) >= coalesce(pollen_weed, 0) then 'grass'
            else 'weed'
        end as pollen,
        row_number() over (partition by place order by day desc) as place_in_time
    from stg_environment
    where
        coalesce(pollen_tree, pollen_grass, pollen_weed) is not null
        and day
        between cast($now at time zone $timezone as date) - cast($days as integer)
        and cast($now at time zone $timezone as date)

),

final as (

    select
        allergic.person_id,
        cast(measured.day as varchar) as occasion,
        homes.location,
        measured.pollen
    from allergic
    inner join homes on allergic.person_id = homes.person_id and homes.place = 1
    inner join measured
        on homes.location = measured.location and measured.place_in_time = 1
    where measured.grains >= $grains

)

select * from final
