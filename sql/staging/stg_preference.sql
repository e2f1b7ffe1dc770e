-- What each person said last about being reached by a channel for a purpose.
-- grain: person_id, channel, purpose
-- inputs: raw_preference, raw_withdrawn, identity
--
-- Whoever cannot be identified has no row: nobody could be asked about them. Of two statements of
-- one instant the refusal counts. A permission that was deleted or entered in error is none; a
-- refusal stands until they say otherwise.

with

said as (

    select
        identity.person_id,
        lower(trim(raw.channel)) as channel,
        raw.purpose,
        raw.allowed,
        raw.since,
        coalesce(raw.how, '') as how,
        raw.source,
        row_number() over (
            partition by identity.person_id, lower(trim(raw.channel)), raw.purpose
            order by
                raw.since desc,
                case when raw.allowed then 1 else 0 end asc,
                raw.source asc,
                raw.account asc,
                raw.preference_id asc
        ) as place
    from raw_preference as raw
    inner join identity on raw.identifier = identity.identifier
    left join raw_withdrawn as withdrawn
        on
            raw.source = withdrawn.source
            and raw.account = withdrawn.account
            and withdrawn.table_name = 'preference'
            and raw.preference_id = withdrawn.record_id
            and raw.since <= withdrawn.withdrawn_at
    where withdrawn.record_id is null or not raw.allowed

),

final as (

    select
        person_id,
        channel,
        purpose,
        allowed,
        since,
        how,
        source
    from said
    where place = 1

)

select * from final
