-- Every patient of the medical record, as the one person they are.
-- grain: source, account, patient_id
-- inputs: raw_person, identity

with

final as (

    select
        raw.source,
        raw.account,
        raw.patient_id,
        identity.person_id,
        raw.deceased,
        cast(raw.birth_year as varchar) as birth_year,
        lower(trim(raw.sex)) as sex,
        trim(raw.zip3) as zip3,
        lower(trim(raw.language)) as language,
        raw.updated_at
    from raw_person as raw
    left join identity on raw.identifier = identity.identifier

)

select * from final
