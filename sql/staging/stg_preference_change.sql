-- Everything that people said about being reached by a channel for a purpose, and since when.
-- grain: source, account, preference_id
-- inputs: raw_preference, raw_withdrawn, identity
--
-- Whoever cannot be identified has no row: nobody could be asked about them. A permission that was
-- deleted or entered in error is none; a refusal stands until they say otherwise.

with

final as (

    select
        raw.source,
        raw.account,
        raw.preference_id,
        identity.person_id,
        lower(trim(raw.channel)) as channel,
        raw.purpose,
        raw.allowed,
        raw.since,
        raw.starts_at,
        raw.ends_at,
        coalesce(raw.how, '') as how
    from raw_preference as raw
    inner join identity on raw.identifier = identity.identifier
    left join raw_withdrawn as withdrawn
        on
            raw.source = withdrawn.source
            and raw.account = withdrawn.account
            and withdrawn.table_name = 'preference'
            and raw.preference_id = withdrawn.record_id
            and coalesce(raw.updated_at, raw.since) <= withdrawn.withdrawn_at
    where withdrawn.record_id is null or not raw.allowed

)

select * from final
