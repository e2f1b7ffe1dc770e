-- From which day to which the data reach, and the last week that they cover to its Sunday.
-- grain: last_week
-- inputs: int_conversions, int_costs, int_visits, stg_web_sessions, setting_report, setting_today
--
-- Days to come are no data yet, though what is planned for them may be: the money of a flight is
-- spread over all its days when it is booked. Nor is today over: what is dated today shows that the
-- data reach yesterday. `last_visit_day` is how far kept visits alone reach: money is still spent
-- where the medical record has not been loaded for weeks.

with

days as (

    select
        week as day,
        false as is_visit
    from int_conversions
    union all
    select
        day,
        false as is_visit
    from int_costs
    union all
    select
        cast(date_trunc('week', day) as date) as day,
        false as is_visit
    from stg_web_sessions
    union all
    select
        cast(int_visits.visited_at at time zone setting_report.timezone as date) as day,
        true as is_visit
    from int_visits
    cross join setting_report

),

final as (

    select
        cast(date_trunc('week', min(days.day)) as date) as first_week,
        cast(
            date_trunc(
                'week',
                least(max(days.day), max(setting_today.today) - interval '1' day)
                - interval '6' day
            ) as date
        ) as last_week,
        max(days.day) as last_day,
        max(case when days.is_visit then days.day end) as last_visit_day
    from days
    inner join setting_today on days.day <= setting_today.today

)

select * from final
