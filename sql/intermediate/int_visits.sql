-- Every kept visit: an appointment that was kept, or an encounter that had none.
-- grain: visit_id
-- inputs: stg_appointment, stg_encounter, setting_report
--
-- Encounters of one person on a day with a kept appointment are parts of that visit, and
-- several without an appointment on one day are one visit: the earliest stands for it.

with

appointments as (

    select
        stg_appointment.appointment_id,
        cast(null as varchar) as encounter_id,
        stg_appointment.person_id,
        stg_appointment.starts_at as visited_at,
        cast(stg_appointment.starts_at at time zone setting_report.timezone as date) as day,
        stg_appointment.service_line,
        stg_appointment.location,
        stg_appointment.provider,
        stg_appointment.minutes_waited,
        stg_appointment.source,
        stg_appointment.account,
        stg_appointment.appointment_id as record_id
    from stg_appointment
    cross join setting_report
    where stg_appointment.is_kept

),

encounters as (

    select
        stg_encounter.appointment_id,
        stg_encounter.encounter_id,
        stg_encounter.person_id,
        stg_encounter.starts_at as visited_at,
        cast(stg_encounter.starts_at at time zone setting_report.timezone as date) as day,
        stg_encounter.service_line,
        stg_encounter.location,
        '' as provider,
        stg_encounter.minutes_waited,
        stg_encounter.source,
        stg_encounter.account,
        stg_encounter.encounter_id as record_id
    from stg_encounter
    cross join setting_report
    where stg_encounter.is_visit

),

kept_records as (

    select distinct appointment_id
    from appointments

),

kept_days as (

    select distinct
        person_id,
        day
    from appointments

),

unbooked as (

    select
        encounters.appointment_id,
        encounters.encounter_id,
        encounters.person_id,
        encounters.visited_at,
        encounters.service_line,
        encounters.location,
        encounters.provider,
        encounters.minutes_waited,
        encounters.source,
        encounters.account,
        encounters.record_id,
        row_number() over (
            partition by
                coalesce(cast(encounters.person_id as varchar), encounters.record_id),
                encounters.day
            order by
                encounters.visited_at,
                encounters.record_id,
                encounters.source,
                encounters.account
        ) as place_in_day
    from encounters
    left join kept_records on encounters.appointment_id = kept_records.appointment_id
    left join kept_days
        on encounters.person_id = kept_days.person_id and encounters.day = kept_days.day
    where kept_records.appointment_id is null and kept_days.person_id is null

),

visits as (

    select
        appointment_id,
        encounter_id,
        person_id,
        visited_at,
        service_line,
        location,
        provider,
        minutes_waited,
        source,
        account,
        record_id
    from appointments
    union all
    select
        appointment_id,
        encounter_id,
        person_id,
        visited_at,
        service_line,
        location,
        provider,
        minutes_waited,
        source,
        account,
        record_id
    from unbooked
    where place_in_day = 1

),

final as (

    select
        row_number() over (
            order by visited_at, record_id, source, account, person_id
        ) as visit_id,
        person_id,
        visited_at,
        appointment_id,
        encounter_id,
        service_line,
        location,
        provider,
        minutes_waited
    from visits

)

select * from final
