-- Every kept visit of a known person: its day, what it was for, and the week's pollen and air.
-- grain: visit_id
-- inputs: int_visits, stg_encounter, stg_care_code, stg_environment, setting_report
--
-- Of several diagnoses or procedures the first that the visit names, else the first of its codes by
-- name. Pollen is the mean of a week's days of all kinds together, air the mean index; a place's
-- own, else that of the only place that is measured. `is_high_pollen` is of the quarter of the
-- place's weeks with most pollen. Means are of tenths, so that they come out the same each time.

with

coded as (

    select
        source,
        account,
        encounter_id,
        min(case when kind = 'diagnosis' then trim(code_group) end) as condition,
        min(case when kind = 'procedure' then trim(code_group) end) as treatment
    from stg_care_code
    where encounter_id is not null
    group by source, account, encounter_id

),

told as (

    select
        stg_encounter.encounter_id,
        stg_encounter.appointment_id,
        coalesce(
            nullif(trim(split_part(stg_encounter.diagnosis_groups, '|', 1)), ''), coded.condition
        ) as condition,
        coalesce(
            nullif(trim(split_part(stg_encounter.procedure_groups, '|', 1)), ''), coded.treatment
        ) as treatment
    from stg_encounter
    left join coded
        on
            stg_encounter.source = coded.source
            and stg_encounter.account = coded.account
            and stg_encounter.encounter_id = coded.encounter_id

),

by_appointment as (

    select
        appointment_id,
        min(condition) as condition,
        min(treatment) as treatment
    from told
    where appointment_id is not null
    group by appointment_id

),

by_encounter as (

    select
        encounter_id,
        min(condition) as condition,
        min(treatment) as treatment
    from told
    group by encounter_id

),

measured as (

    select
        lower(place) as place,
        cast(date_trunc('week', day) as date) as week,
        cast(
            sum(
                cast(
                    round(
                        10
                        * (
                            coalesce(pollen_tree, 0)
                            + coalesce(pollen_grass, 0)
                            + coalesce(pollen_weed, 0)
                        )
                    ) as bigint
                )
            ) filter (where coalesce(pollen_tree, pollen_grass, pollen_weed) is not null) as bigint
        ) as pollen_tenths,
        count(coalesce(pollen_tree, pollen_grass, pollen_weed)) as pollen_days,
        cast(sum(cast(round(10 * air_quality_index) as bigint)) as bigint) as air_tenths,
        count(air_quality_index) as air_days
    from stg_environment
    group by 1, 2

),

weeks as (

    select
        place,
        week,
        case when pollen_days > 0 then pollen_tenths / 10.0 / pollen_days end as pollen,
        case when air_days > 0 then air_tenths / 10.0 / air_days end as air
    from measured

),

ranked as (

    select
        place,
        week,
        percent_rank() over (partition by place order by pollen) as place_of_week
    from weeks
    where pollen is not null

),

environment as (

    select
        weeks.place,
        weeks.week,
        weeks.pollen,
        weeks.air,
        ranked.place_of_week >= 0.75 and weeks.pollen > 0 as is_high_pollen
    from weeks
    left join ranked on weeks.place = ranked.place and weeks.week = ranked.week

),

only_place as (

    select min(place) as place
    from environment
    having count(distinct place) = 1

),

visits as (

    select
        int_visits.visit_id,
        int_visits.person_id,
        int_visits.service_line,
        int_visits.location,
        cast(int_visits.visited_at at time zone setting_report.timezone as date) as day,
        coalesce(by_appointment.condition, by_encounter.condition, '') as condition,
        coalesce(by_appointment.treatment, by_encounter.treatment, '') as treatment
    from int_visits
    cross join setting_report
    left join by_appointment on int_visits.appointment_id = by_appointment.appointment_id
    left join by_encounter on int_visits.encounter_id = by_encounter.encounter_id
    where int_visits.person_id is not null

),

placed as (

    select
        visits.visit_id,
        visits.person_id,
        visits.service_line,
        visits.location,
        visits.day,
        cast(date_trunc('week', visits.day) as date) as week,
        visits.condition,
        visits.treatment,
        coalesce(only_place.place, lower(visits.location)) as place
    from visits
    left join only_place on true

),

final as (

    select
        placed.visit_id,
        placed.person_id,
        placed.service_line,
        placed.location,
        placed.day,
        placed.week,
        placed.condition,
        placed.treatment,
        environment.pollen,
        environment.air,
        environment.is_high_pollen
    from placed
    left join environment
        on placed.place = environment.place and placed.week = environment.week

)

select * from final
