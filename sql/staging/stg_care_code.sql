-- Every diagnosis and procedure of a visit, as a coarse group.
-- grain: source, account, care_code_id
-- inputs: raw_care_code, raw_withdrawn, identity
--
-- A code names its visit, or the visit names the code, and either may arrive first: a row that only
-- points at a code takes that code's group.

with

counted as (

    select raw.*
    from raw_care_code as raw
    left join raw_withdrawn as withdrawn
        on
            raw.source = withdrawn.source
            and raw.account = withdrawn.account
            and withdrawn.table_name = 'care_code'
            and raw.care_code_id = withdrawn.record_id
            and (raw.updated_at is null or raw.updated_at <= withdrawn.withdrawn_at)
    where withdrawn.record_id is null

),

final as (

    select
        counted.source,
        counted.account,
        counted.care_code_id,
        counted.encounter_id,
        identity.person_id,
        coalesce(counted.at, meant.at) as coded_at,
        counted.kind,
        coalesce(counted.code_group, meant.code_group) as code_group,
        coalesce(counted.service_line, meant.service_line) as service_line,
        coalesce(counted.line_rank, meant.line_rank) as line_rank,
        coalesce(counted.unknown_code, meant.unknown_code) as unknown_code
    from counted
    left join identity on counted.identifier = identity.identifier
    left join counted as meant
        on
            counted.source = meant.source
            and counted.account = meant.account
            and counted.same_as = meant.care_code_id
    where coalesce(counted.code_group, meant.code_group) is not null

)

select * from final
