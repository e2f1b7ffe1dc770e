-- The kept visit that an appointment became, and that each encounter is, or is a part of.
-- grain: record, record_id
-- inputs: int_visits, stg_encounter, setting_report
--
-- An encounter is part of the visit of its appointment, else of its person's first of that day.

with

by_encounter as (

    select
        encounter_id,
        min(visit_id) as visit_id
    from int_visits
    where encounter_id is not null
    group by encounter_id

),

by_appointment as (

    select
        appointment_id,
        min(visit_id) as visit_id
    from int_visits
    where appointment_id is not null
    group by appointment_id

),

by_day as (

    select
        int_visits.person_id,
        cast(int_visits.visited_at at time zone setting_report.timezone as date) as day,
        min(int_visits.visit_id) as visit_id
    from int_visits
    cross join setting_report
    where int_visits.person_id is not null
    group by 1, 2

),

encounters as (

    select
        stg_encounter.encounter_id,
        stg_encounter.appointment_id,
        stg_encounter.person_id,
        cast(stg_encounter.starts_at at time zone setting_report.timezone as date) as day
    from stg_encounter
    cross join setting_report
    where stg_encounter.is_visit

),

found as (

    select
        encounters.encounter_id,
        coalesce(by_encounter.visit_id, by_appointment.visit_id, by_day.visit_id) as visit_id
    from encounters
    left join by_encounter on encounters.encounter_id = by_encounter.encounter_id
    left join by_appointment on encounters.appointment_id = by_appointment.appointment_id
    left join by_day
        on encounters.person_id = by_day.person_id and encounters.day = by_day.day

),

final as (

    select
        'appointment' as record,
        appointment_id as record_id,
        visit_id
    from by_appointment
    union all
    select
        'encounter' as record,
        encounter_id as record_id,
        min(visit_id) as visit_id
    from found
    where visit_id is not null
    group by encounter_id

)

select * from final
