-- What each person said last about being reached by a channel for a purpose.
-- grain: person_id, channel, purpose
-- inputs: raw_preference, identity
--
-- Whoever cannot be identified has no row: nobody could be asked about them. Of two statements of
-- one instant the refusal counts.

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
