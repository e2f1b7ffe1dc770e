-- The ways of those who did not come: how many journeys without an end took each path.
-- grain: kind, service_line, quarter, step_1, step_2, step_3, step_4
-- inputs: int_lost_journeys, int_kinds, int_service_lines, setting_report
--
-- Paths are as in int_won_paths. A lost journey is for the service line that its last touch with
-- one speaks for, and counts in the quarter in which it was given up.

with

-- Where a moment's quarter is, is asked once for each quarter of an hour: asking for every journey
-- took longer than all the rest.
quarters as (

    select
        moments.moment,
        cast(
            date_trunc(
                'quarter', to_timestamp(moments.moment * 900) at time zone setting_report.timezone
            ) as date
        ) as quarter
    from (

        select distinct moment
        from int_lost_journeys

    ) as moments
    cross join setting_report

),

counted as (

    select
        paths.kinds,
        paths.line_id,
        quarters.quarter,
        paths.first_id as step_1,
        case
            when paths.stretches >= 4 then paths.third_last_id
            when paths.stretches = 3 then paths.second_last_id
            when paths.stretches = 2 then paths.last_id
            else 0
        end as step_2,
        case
            when paths.stretches >= 4 then paths.second_last_id
            when paths.stretches = 3 then paths.last_id
            else 0
        end as step_3,
        case when paths.stretches >= 4 then paths.last_id else 0 end as step_4,
        count(*) as journeys,
        sum(paths.touches) as touches
    from int_lost_journeys as paths
    inner join quarters on paths.moment = quarters.moment
    group by 1, 2, 3, 4, 5, 6, 7

),

final as (

    select
        int_kinds.kind,
        coalesce(int_service_lines.service_line, 'unassigned') as service_line,
        counted.quarter,
        counted.step_1,
        counted.step_2,
        counted.step_3,
        counted.step_4,
        cast(sum(counted.journeys) as bigint) as journeys,
        cast(sum(counted.touches) as bigint) as touches
    from counted
    inner join int_kinds
        on
            (counted.kinds & int_kinds.bit) > 0
            and int_kinds.kind in ('lead', 'booked', 'new_patient')
    left join int_service_lines on counted.line_id = int_service_lines.line_id
    group by 1, 2, 3, 4, 5, 6, 7

)

select * from final
