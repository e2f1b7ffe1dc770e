-- Every touch of a journey to a lead, a booking or a new patient, converted or not, from its end.
-- grain: journey_id, back
-- inputs: int_conversions, int_journey_touches, int_channel_map, int_lost_journeys,
--   int_lost_touches
--
-- `back` is 1 at the last touch; `back_run` counts stretches of one channel in the same way.
-- `journeys` is how many conversions a journey ended in: two bookings of one moment are two.

with

moved as (

    select
        int_conversions.conversion_id,
        int_conversions.conversions,
        int_journey_touches.steps - int_journey_touches.step + 1 as back,
        int_journey_touches.days_before,
        int_channel_map.channel_id,
        lead(int_channel_map.channel_id) over (
            partition by int_conversions.conversion_id order by int_journey_touches.step
        ) as next_channel_id
    from int_journey_touches
    inner join int_conversions
        on
            int_journey_touches.conversion_id = int_conversions.conversion_id
            and int_conversions.kind in ('lead', 'booked', 'new_patient')
    inner join int_channel_map on int_journey_touches.map_id = int_channel_map.map_id

),

converted as (

    select
        conversion_id as journey_id,
        back,
        cast(
            sum(case when channel_id = next_channel_id then 0 else 1 end) over (
                partition by conversion_id
                order by back
                rows between unbounded preceding and current row
            ) as bigint
        ) as back_run,
        channel_id,
        next_channel_id,
        cast(null as integer) as line_id,
        days_before,
        conversions as journeys
    from moved

),

lost as (

    select
        int_lost_journeys.journey_id,
        int_lost_touches.back,
        cast(int_lost_touches.back_run as bigint) as back_run,
        int_lost_touches.channel_id,
        int_lost_touches.next_channel_id,
        int_lost_touches.line_id,
        cast(null as double) as days_before,
        1 as journeys
    from int_lost_touches
    inner join int_lost_journeys
        on
            int_lost_touches.person_id = int_lost_journeys.person_id
            and int_lost_touches.touched_second >= int_lost_journeys.opens_second
            and (
                int_lost_journeys.closed_second is null
                or int_lost_touches.touched_second > int_lost_journeys.closed_second
            )

),

final as (

    select * from converted
    union all
    select * from lost

)

select * from final
