-- Each journey to a lead, a booking or a new patient in one row: its channels, length and end.
-- grain: journey_id
-- inputs: int_steps, int_conversions, int_lost_journeys, int_service_lines
--
-- Touches of one channel in a row are one step. A path has up to four: where there are more,
-- the first and the last three. 0 is no step. A lost journey is for the service line that its
-- last touch with one speaks for, and counts in the quarter in which it was given up.

with

gathered as (

    select
        journey_id,
        max(journeys) as journeys,
        count(*) as touches,
        max(back_run) as runs,
        max(days_before) as days,
        -- Two numbers in one, so that the largest carries its channel (or its line) along.
        max(back * 1048576 + channel_id) % 1048576 as first_channel_id,
        min(back * 1048576 + line_id) % 1048576 as line_id,
        max(case when back_run = 1 then channel_id end) as last_channel_id,
        max(case when back_run = 2 then channel_id end) as second_last_channel_id,
        max(case when back_run = 3 then channel_id end) as third_last_channel_id
    from int_steps
    group by journey_id

),

paths as (

    select
        journey_id,
        journeys,
        touches,
        days,
        line_id,
        cast(first_channel_id as integer) as step_1,
        case
            when runs >= 4 then third_last_channel_id
            when runs = 3 then second_last_channel_id
            when runs = 2 then last_channel_id
            else 0
        end as step_2,
        case
            when runs >= 4 then second_last_channel_id
            when runs = 3 then last_channel_id
            else 0
        end as step_3,
        case when runs >= 4 then last_channel_id else 0 end as step_4
    from gathered

),

final as (

    select
        paths.journey_id,
        int_conversions.kind,
        'converted' as outcome,
        int_conversions.service_line,
        cast(date_trunc('quarter', int_conversions.week) as date) as quarter,
        paths.step_1,
        paths.step_2,
        paths.step_3,
        paths.step_4,
        paths.journeys,
        paths.touches,
        paths.days
    from paths
    inner join int_conversions on paths.journey_id = int_conversions.conversion_id
    union all
    select
        paths.journey_id,
        int_lost_journeys.kind,
        'lost' as outcome,
        coalesce(int_service_lines.service_line, 'unassigned') as service_line,
        cast(date_trunc('quarter', int_lost_journeys.ended_on) as date) as quarter,
        paths.step_1,
        paths.step_2,
        paths.step_3,
        paths.step_4,
        paths.journeys,
        paths.touches,
        paths.days
    from paths
    inner join int_lost_journeys on paths.journey_id = int_lost_journeys.journey_id
    left join int_service_lines on paths.line_id = int_service_lines.line_id

)

select * from final
