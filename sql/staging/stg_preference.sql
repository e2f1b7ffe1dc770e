-- What each person said last about being reached by a channel for a purpose.
-- grain: person_id, channel, purpose
-- inputs: stg_preference_change
--
-- Of two statements of one instant the refusal counts. A permission may hold from `starts_at` to
-- `ends_at` only: whether it holds today is asked when a message leaves.

with

said as (

    select
        person_id,
        channel,
        purpose,
        allowed,
        since,
        starts_at,
        ends_at,
        how,
        source,
        row_number() over (
            partition by person_id, channel, purpose
            order by
                since desc,
                case when allowed then 1 else 0 end asc,
                source asc,
                account asc,
                preference_id asc
        ) as place
    from stg_preference_change

),

final as (

    select
        person_id,
        channel,
        purpose,
        allowed,
        since,
        starts_at,
        ends_at,
        how,
        source
    from said
    where place = 1

)

select * from final
