-- Every visit that took place, and whether a person chose to come to it.
-- grain: source, account, encounter_id
-- inputs: raw_encounter, identity
--
-- Emergencies and hospital stays are not visits that marketing or outreach brings about.
-- An encounter without a class counts: many systems do not code ordinary visits.

with

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
        coalesce(nullif(trim(raw.service_line), ''), 'unassigned') as service_line,
        coalesce(nullif(trim(raw.location), ''), 'unassigned') as location
    from raw_encounter as raw
    left join identity on raw.identifier = identity.identifier

)

select * from final
