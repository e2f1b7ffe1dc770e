-- Each journey to a lead, a booking or a new patient in one row: its channels, length and end.
-- grain: journey_id
-- inputs: int_journey_touches, int_conversions, int_lost_touches, int_kinds, int_service_lines,
--   setting_report
--
-- Touches of one channel in a row are one step. A path has up to four: where there are more,
-- the first and the last three. 0 is no step. `journeys` is how many conversions a journey ended
-- in: two bookings of one moment are two. A lost journey is for the service line that its last
-- touch with one speaks for, and counts in the quarter in which it was given up. Its number is
-- below nought, so that it is none of a conversion.

with

won_stretches as (

    select
        touches.conversion_id,
        touches.steps,
        touches.days_before,
        touches.channel_id,
        row_number() over (
            partition by touches.conversion_id order by touches.step desc
        ) as back,
        count(*) over (partition by touches.conversion_id) as stretches
    from int_journey_touches as touches
    where
        touches.kind in ('lead', 'booked', 'new_patient')
        and touches.channel_id <> touches.before_1

),

won as (

    select
        conversion_id,
        max(steps) as touches,
        max(stretches) as stretches,
        max(days_before) as days,
        max(case when back = stretches then channel_id end) as first_id,
        max(case when back = 1 then channel_id end) as last_id,
        max(case when back = 2 then channel_id end) as second_last_id,
        max(case when back = 3 then channel_id end) as third_last_id
    from won_stretches
    group by conversion_id

),

lost_stretches as (

    select
        person_id,
        kinds,
        span,
        journey,
        channel_id,
        row_number() over (
            partition by person_id, kinds, span, journey order by place desc
        ) as back,
        count(*) over (partition by person_id, kinds, span, journey) as stretches
    from int_lost_touches
    where channel_id <> before_1

),

lost_ends as (

    select
        person_id,
        kinds,
        span,
        journey,
        count(*) as touches,
        max(ended_second) as ended_second,
        -- Two numbers in one, so that the largest carries its line along.
        max(cast(place as bigint) * 1048576 + line_id) % 1048576 as line_id
    from int_lost_touches
    group by person_id, kinds, span, journey

),

lost as (

    select
        person_id,
        kinds,
        span,
        journey,
        max(stretches) as stretches,
        max(case when back = stretches then channel_id end) as first_id,
        max(case when back = 1 then channel_id end) as last_id,
        max(case when back = 2 then channel_id end) as second_last_id,
        max(case when back = 3 then channel_id end) as third_last_id
    from lost_stretches
    group by person_id, kinds, span, journey

),

together as (

    select
        won.conversion_id as journey_id,
        int_conversions.kind,
        'converted' as outcome,
        int_conversions.service_line,
        int_conversions.week as ended_on,
        int_conversions.conversions as journeys,
        won.touches,
        won.days,
        won.stretches,
        won.first_id,
        won.last_id,
        won.second_last_id,
        won.third_last_id
    from won
    inner join int_conversions on won.conversion_id = int_conversions.conversion_id
    union all
    select
        -row_number() over (
            order by
                int_kinds.kind, lost.person_id, lost.kinds, lost.span, lost.journey
        ) as journey_id,
        int_kinds.kind,
        'lost' as outcome,
        coalesce(int_service_lines.service_line, 'unassigned') as service_line,
        cast(
            to_timestamp(lost_ends.ended_second) at time zone setting_report.timezone as date
        ) as ended_on,
        1 as journeys,
        lost_ends.touches,
        cast(null as double) as days,
        lost.stretches,
        lost.first_id,
        lost.last_id,
        lost.second_last_id,
        lost.third_last_id
    from lost
    cross join setting_report
    inner join int_kinds
        on
            (lost.kinds & int_kinds.bit) > 0
            and int_kinds.kind in ('lead', 'booked', 'new_patient')
    inner join lost_ends
        on
            lost.person_id = lost_ends.person_id
            and lost.kinds = lost_ends.kinds
            and lost.span = lost_ends.span
            and lost.journey = lost_ends.journey
    left join int_service_lines on lost_ends.line_id = int_service_lines.line_id

),

final as (

    select
        journey_id,
        kind,
        outcome,
        service_line,
        cast(date_trunc('quarter', ended_on) as date) as quarter,
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
        touches,
        days
    from together

)

select * from final
