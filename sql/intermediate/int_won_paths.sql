-- Each journey to a lead, a booking or a new patient in one row: its channels and its length.
-- grain: conversion_id
-- inputs: int_journey_touches, int_conversions
--
-- Touches of one channel in a row are one step. A path has up to four: where there are more,
-- the first and the last three. 0 is no step. `journeys` is how many conversions a journey ended
-- in: two bookings of one moment are two. `who` is the person; who cannot be identified is one of
-- their own.

with

stretches as (

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

paths as (

    select
        conversion_id,
        max(steps) as touches,
        max(stretches) as stretches,
        max(days_before) as days,
        max(case when back = stretches then channel_id end) as first_id,
        max(case when back = 1 then channel_id end) as last_id,
        max(case when back = 2 then channel_id end) as second_last_id,
        max(case when back = 3 then channel_id end) as third_last_id
    from stretches
    group by conversion_id

),

final as (

    select
        paths.conversion_id,
        int_conversions.kind,
        int_conversions.service_line,
        cast(date_trunc('quarter', int_conversions.week) as date) as quarter,
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
        int_conversions.conversions as journeys,
        paths.touches,
        paths.days,
        coalesce(int_conversions.person_id, -1 - paths.conversion_id) as who
    from paths
    inner join int_conversions on paths.conversion_id = int_conversions.conversion_id

)

select * from final
