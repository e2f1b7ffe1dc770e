-- The touches of each conversion's journey, in order: what every credit model weighs.
-- grain: conversion_id, step
-- inputs: int_conversions, int_touches
--
-- A touch at the very moment of the decision counts. Steps run from 1 to `steps`; `days_apart` is
-- how long before the journey's last touch a touch was; `last_non_direct_step` is the last step
-- where it all was direct. `lead_step` and `booked_step` are the last steps up to the lead and up
-- to the booking, 0 where there is none; `milestone_touches` is how many touches of the journey
-- were its first, the lead's or the booking's, `channel_touches` how many were of the touch's
-- channel; `before_1` to `before_4` are the channels before it, 0 where there was none.
--
-- What is no step: a direct visit beside others where the settings say so (`drops_direct`); the
-- channel of the touch before once more (`collapses`), or sooner than the gap after it, in
-- whole seconds: of days, fractions would take a touch for sooner that comes just then.

with

joined as (

    select
        int_conversions.conversion_id,
        int_conversions.kind,
        int_conversions.drops_direct,
        int_conversions.collapses,
        int_conversions.gap_seconds,
        int_touches.touched_at,
        int_touches.tie,
        int_touches.map_id,
        int_touches.channel_id,
        int_touches.is_direct,
        int_touches.touched_at <= int_conversions.lead_at as is_before_lead,
        int_touches.touched_at <= int_conversions.booked_at as is_before_booking,
        cast(floor(extract(epoch from int_touches.touched_at)) as bigint) as touched_second,
        (
            extract(epoch from int_conversions.decided_at)
            - extract(epoch from int_touches.touched_at)
        ) / 86400 as days_before
    from int_touches
    inner join int_conversions
        on
            int_touches.person_id = int_conversions.person_id
            and int_touches.touched_at <= int_conversions.decided_at
            and int_touches.touched_at >= int_conversions.opens_at
            and (
                int_conversions.closed_at is null
                or int_touches.touched_at > int_conversions.closed_at
            )

),

named as (

    select
        conversion_id,
        count(*) as touches
    from joined
    where drops_direct and not is_direct
    group by conversion_id

),

placed as (

    select
        joined.conversion_id,
        joined.kind,
        joined.collapses,
        joined.gap_seconds,
        joined.map_id,
        joined.channel_id,
        joined.is_direct,
        joined.is_before_lead,
        joined.is_before_booking,
        joined.days_before,
        row_number() over (
            partition by joined.conversion_id order by joined.touched_at, joined.tie
        ) as place,
        lag(joined.channel_id) over (
            partition by joined.conversion_id order by joined.touched_at, joined.tie
        ) as last_id,
        joined.touched_second
        - lag(joined.touched_second) over (
            partition by joined.conversion_id order by joined.touched_at, joined.tie
        ) as seconds_since
    from joined
    left join named on joined.conversion_id = named.conversion_id
    where not (joined.is_direct and named.touches is not null)

),

numbered as (

    select
        conversion_id,
        kind,
        map_id,
        channel_id,
        is_direct,
        is_before_lead,
        is_before_booking,
        days_before,
        row_number() over (partition by conversion_id order by place) as step,
        lag(channel_id, 1) over (partition by conversion_id order by place) as before_1,
        lag(channel_id, 2) over (partition by conversion_id order by place) as before_2,
        lag(channel_id, 3) over (partition by conversion_id order by place) as before_3,
        lag(channel_id, 4) over (partition by conversion_id order by place) as before_4
    from placed
    where
        last_id is null
        or last_id <> channel_id
        or not (collapses or seconds_since < gap_seconds)

),

spans as (

    select
        conversion_id,
        kind,
        map_id,
        channel_id,
        is_direct,
        days_before,
        step,
        before_1,
        before_2,
        before_3,
        before_4,
        count(*) over (partition by conversion_id) as steps,
        max(case when not is_direct then step end) over (partition by conversion_id)
            as named_step,
        max(case when is_before_lead then step else 0 end) over (partition by conversion_id)
            as lead_step,
        max(case when is_before_booking then step else 0 end) over (partition by conversion_id)
            as booked_step,
        min(days_before) over (partition by conversion_id) as last_days_before,
        count(*) over (partition by conversion_id, channel_id) as channel_touches
    from numbered

),

final as (

    select
        conversion_id,
        kind,
        cast(step as integer) as step,
        cast(steps as integer) as steps,
        cast(days_before as double) as days_before,
        cast(days_before - last_days_before as double) as days_apart,
        is_direct,
        cast(coalesce(named_step, steps) as integer) as last_non_direct_step,
        cast(lead_step as integer) as lead_step,
        cast(booked_step as integer) as booked_step,
        1
        + case when lead_step > 1 then 1 else 0 end
        + case when booked_step > 1 and booked_step <> lead_step then 1 else 0 end
            as milestone_touches,
        map_id,
        channel_id,
        coalesce(before_1, 0) as before_1,
        coalesce(before_2, 0) as before_2,
        coalesce(before_3, 0) as before_3,
        coalesce(before_4, 0) as before_4,
        cast(channel_touches as integer) as channel_touches
    from spans

)

select * from final
