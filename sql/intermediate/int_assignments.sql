-- Whom each flow meant first when, in which arm, and whether anything can be compared with them.
-- grain: flow, person_id
-- inputs: stg_message, int_visits, setting_report
--
-- A person counts once per flow, at the first assignment, whether a message reached them or not.
-- `is_untested`: they were treated before the day on which the flow first held somebody out, so
-- nobody of their time was left alone; nobody is of a flow that never held anybody out.
-- `is_covered`: visits are known from that day on, so who has none did not come.

with

placed as (

    select
        stg_message.flow,
        stg_message.person_id,
        stg_message.topic,
        stg_message.purpose,
        stg_message.utm_medium,
        stg_message.arm,
        stg_message.assigned_at,
        cast(stg_message.assigned_at at time zone setting_report.timezone as date) as day,
        row_number() over (
            partition by stg_message.flow, stg_message.person_id
            order by
                stg_message.assigned_at asc,
                stg_message.source asc,
                stg_message.account asc,
                stg_message.message_id asc
        ) as place
    from stg_message
    cross join setting_report
    where stg_message.person_id is not null

),

held_out as (

    select
        flow,
        min(day) as first_day
    from placed
    where place = 1 and arm = 'holdout'
    group by flow

),

visited as (

    select cast(int_visits.visited_at at time zone setting_report.timezone as date) as day
    from int_visits
    cross join setting_report

),

known as (

    select min(day) as first_day
    from visited

),

final as (

    select
        placed.flow,
        placed.person_id,
        placed.topic,
        placed.purpose,
        placed.utm_medium,
        placed.arm,
        placed.assigned_at,
        coalesce(placed.day < held_out.first_day, false) as is_untested,
        coalesce(placed.day >= known.first_day, true) as is_covered
    from placed
    cross join known
    left join held_out on placed.flow = held_out.flow
    where placed.place = 1

)

select * from final
