-- The touches of each conversion's journey, in order: what every credit model weighs.
-- grain: conversion_id, step
-- inputs: int_conversions, int_touches
--
-- A touch at the very moment of the decision counts. Steps run from 1 to `steps`; `days_apart`
-- is how long before the journey's last touch a touch was; `last_non_direct_step` is the last
-- step where it all was direct.

with

joined as (

    select
        int_conversions.conversion_id,
        int_touches.touch_number,
        int_touches.map_id,
        int_touches.is_direct,
        date_diff('second', int_touches.touched_at, int_conversions.decided_at)
        / 86400.0 as days_before
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

spans as (

    select
        conversion_id,
        min(touch_number) as first_number,
        max(touch_number) as last_number,
        max(case when not is_direct then touch_number end) as last_named_number,
        min(days_before) as last_days_before
    from joined
    group by conversion_id

),

final as (

    select
        joined.conversion_id,
        cast(joined.touch_number - spans.first_number + 1 as integer) as step,
        cast(spans.last_number - spans.first_number + 1 as integer) as steps,
        cast(joined.days_before as double) as days_before,
        cast(joined.days_before - spans.last_days_before as double) as days_apart,
        joined.is_direct,
        cast(
            coalesce(spans.last_named_number, spans.last_number) - spans.first_number + 1
            as integer
        ) as last_non_direct_step,
        joined.map_id
    from joined
    inner join spans on joined.conversion_id = spans.conversion_id

)

select * from final
