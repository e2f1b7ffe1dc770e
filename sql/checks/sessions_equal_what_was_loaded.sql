-- The sessions of the mart are the sessions that web analytics reported.
-- inputs: raw_web_sessions, sessions

with

loaded as (

    select coalesce(sum(sessions), 0) as sessions
    from raw_web_sessions

),

shown as (

    select coalesce(sum(sessions), 0) as sessions
    from sessions

),

final as (

    select loaded.sessions
    from loaded
    cross join shown
    where loaded.sessions <> shown.sessions

)

select * from final
