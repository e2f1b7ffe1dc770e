-- Every visit that took place, and whether a person chose to come to it.
-- grain: source, account, encounter_id
-- inputs: raw_encounter, raw_withdrawn, stg_care_code, identity
--
-- Emergencies and hospital stays are not visits that marketing or outreach brings about.
-- An encounter without a class counts: many systems do not code ordinary visits. One that does not
-- say its service line is for that of its diagnoses, of several for the one whose rule comes first.

with

coded as (

    select
        source,
        account,
        encounter_id,
        service_line
    from stg_care_code
    where encounter_id is not null and service_line is not null
    qualify row_number() over (
        partition by source, account, encounter_id
        order by line_rank nulls last, service_line
    ) = 1

),

final as (

    select
        raw.source,
        raw.account,
        raw.encounter_id,
        raw.appointment_id,
        identity.person_id,
        raw.starts_at,
        coalesce(upper(trim(raw.class_code)), 'AMB') in (
            '', 'AMB', 'VR', 'HH', 'FLD', 'SS'
        ) as is_visit,
        coalesce(nullif(trim(raw.service_line), ''), coded.service_line, 'unassigned')
            as service_line,
        coalesce(nullif(trim(raw.location), ''), 'unassigned') as location,
        coalesce(upper(trim(raw.class_code)), '') as class_code,
        raw.minutes_waited,
        trim(raw.diagnosis_groups) as diagnosis_groups,
        trim(raw.procedure_groups) as procedure_groups,
        raw.unknown_code
    from raw_encounter as raw
    left join identity on raw.identifier = identity.identifier
    left join coded
        on
            raw.source = coded.source
            and raw.account = coded.account
            and raw.encounter_id = coded.encounter_id
    left join raw_withdrawn as withdrawn
        on
            raw.source = withdrawn.source
            and raw.account = withdrawn.account
            and withdrawn.table_name = 'encounter'
            and raw.encounter_id = withdrawn.record_id
            and (raw.updated_at is null or raw.updated_at <= withdrawn.withdrawn_at)
    where withdrawn.record_id is null

)

select * from final
