-- What each person said last about being reached by a channel for a purpose, of what holds today.
-- grain: person_id, channel, purpose
-- inputs: stg_preference_change, setting_report, setting_today
--
-- Of two statements of one instant the refusal counts. A permission that has ended, or is yet to
-- begin, does not stand before a refusal; to the minute it is asked when a message leaves.

with

said as (

    select
        said_then.person_id,
        said_then.channel,
        said_then.purpose,
        said_then.allowed,
        said_then.since,
        said_then.how,
        said_then.source,
        row_number() over (
            partition by said_then.person_id, said_then.channel, said_then.purpose
            order by
                said_then.since desc,
                case when said_then.allowed then 1 else 0 end asc,
                said_then.source asc,
                said_then.account asc,
                said_then.preference_id asc
        ) as place
    from stg_preference_change as said_then
    cross join setting_report
    cross join setting_today
    where
        not said_then.allowed
        or (
            coalesce(
                cast(said_then.starts_at at time zone setting_report.timezone as date)
                <= setting_today.today,
                true
            )
            and coalesce(
                cast(said_then.ends_at at time zone setting_report.timezone as date)
                >= setting_today.today,
                true
            )
        )

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
