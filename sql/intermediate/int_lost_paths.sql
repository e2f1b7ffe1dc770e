-- The ways of those who did not come: how many journeys without an end took each path.
-- grain: kind, service_line, quarter, step_1, step_2, step_3, step_4
-- inputs: int_lost_touches, int_lost_journeys, int_kinds, int_service_lines, setting_report
--
-- Paths are as in int_won_paths. A lost journey is for the service line that its last touch with
-- one speaks for, and counts in the quarter in which the week begins that it was given up in, as
-- conversions count by their week.

with

-- Where a moment's quarter is, is asked once for each quarter of an hour: asking for every journey
-- took longer than all the rest.
quarters as (

    select
        moments.moment,
        cast(
            date_trunc(
                'quarter',
                date_trunc(
                    'week',
                    cast(
                        to_timestamp(moments.moment * 900) at time zone setting_report.timezone
                        as date
                    )
                )
            ) as date
        ) as quarter
    from (

        select distinct moment
        from int_lost_touches

    ) as moments
    cross join setting_report

),

-- Journeys of up to four touches, whose channels are all in the path; the rest are long.
counted as (

    select
        touches.kinds,
        touches.line_id,
        quarters.quarter,
        touches.path,
        count(*) as journeys
    from int_lost_touches as touches
    inner join quarters on touches.moment = quarters.moment
    where touches.is_last and touches.path < 281474976710656
    group by 1, 2, 3, 4

),

short as (

    select
        kinds,
        line_id,
        quarter,
        path & 4095 as channel_id,
        (path >> 12) & 4095 as before_1,
        (path >> 24) & 4095 as before_2,
        path >> 36 as before_3,
        journeys
    from counted

),

stretched as (

    select
        kinds,
        line_id,
        quarter,
        journeys,
        journeys * case
            when before_3 > 0 then 4
            when before_2 > 0 then 3
            when before_1 > 0 then 2
            else 1
        end as touches,
        case when channel_id <> before_1 then 1 else 0 end
        + case when before_1 <> before_2 then 1 else 0 end
        + case when before_2 <> before_3 then 1 else 0 end
        + case when before_3 > 0 then 1 else 0 end as stretches,
        case
            when before_3 > 0 then before_3
            when before_2 > 0 then before_2
            when before_1 > 0 then before_1
            else channel_id
        end as first_id,
        channel_id as last_id,
        case
            when before_1 <> channel_id then before_1
            when before_2 <> channel_id then before_2
            else before_3
        end as second_last_id,
        before_2 as third_last_id
    from short
    union all
    select
        paths.kinds,
        paths.line_id,
        quarters.quarter,
        1 as journeys,
        paths.touches,
        paths.stretches,
        paths.first_id,
        paths.last_id,
        paths.second_last_id,
        paths.third_last_id
    from int_lost_journeys as paths
    inner join quarters on paths.moment = quarters.moment

),

stepped as (

    select
        kinds,
        line_id,
        quarter,
        first_id as step_1,
        case
            when stretches >= 4 then third_last_id
            when stretches = 3 then second_last_id
            when stretches = 2 then last_id
            else 0
        end as step_2,
        case
            when stretches >= 4 then second_last_id
            when stretches = 3 then last_id
            else 0
        end as step_3,
        case when stretches >= 4 then last_id else 0 end as step_4,
        journeys,
        touches
    from stretched

),

final as (

    select
        int_kinds.kind,
        coalesce(int_service_lines.service_line, 'unassigned') as service_line,
        stepped.quarter,
        stepped.step_1,
        stepped.step_2,
        stepped.step_3,
        stepped.step_4,
        cast(sum(stepped.journeys) as bigint) as journeys,
        cast(sum(stepped.touches) as bigint) as touches
    from stepped
    inner join int_kinds
        on
            (stepped.kinds & int_kinds.bit) > 0
            and int_kinds.kind in ('lead', 'booked', 'new_patient')
    left join int_service_lines on stepped.line_id = int_service_lines.line_id
    group by 1, 2, 3, 4, 5, 6, 7

)

select * from final
