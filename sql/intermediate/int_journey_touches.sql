-- The touches of each conversion's journey, in order: what every credit model weighs.
-- grain: conversion_id, step
-- inputs: int_conversions, int_touches
--
-- A touch at the very moment of the decision counts. Steps run from 1 to `steps`; `days_apart`
-- is how long before the journey's last touch a touch was; `last_non_direct_step` is the last
-- step where it all was direct. `milestone` counts what a touch was of these: the journey's
-- first, the last one up to the lead, the last one up to the booking; `milestone_touches` is how
-- many touches of the journey were any. The booking is the last one of the journey's span up to
-- the decision, the lead the last one up to the booking; nobody books on the way to a lead.
-- `channel_touches` is how many touches of the journey were of the touch's channel.

with

moments as (

    select distinct
        person_id,
        decided_at,
        max(case when kind = 'lead' then decided_at end) over (
            partition by person_id order by decided_at
        ) as lead_at,
        max(case when kind = 'booked' then decided_at end) over (
            partition by person_id order by decided_at
        ) as booked_at
    from int_conversions
    where person_id is not null

),

spanned as (

    select
        int_conversions.conversion_id,
        int_conversions.kind,
        int_conversions.person_id,
        int_conversions.decided_at,
        int_conversions.opens_at,
        int_conversions.closed_at,
        moments.lead_at,
        case
            when
                int_conversions.kind <> 'lead'
                and moments.booked_at >= int_conversions.opens_at
                and (
                    int_conversions.closed_at is null
                    or moments.booked_at > int_conversions.closed_at
                )
                then moments.booked_at
        end as booked_at
    from int_conversions
    inner join moments
        on
            int_conversions.person_id = moments.person_id
            and int_conversions.decided_at = moments.decided_at

),

conversions as (

    select
        spanned.conversion_id,
        spanned.kind,
        spanned.person_id,
        spanned.decided_at,
        spanned.opens_at,
        spanned.closed_at,
        spanned.booked_at,
        case when spanned.booked_at is null then spanned.lead_at else moments.lead_at end
            as lead_at
    from spanned
    left join moments
        on spanned.person_id = moments.person_id and spanned.booked_at = moments.decided_at

),

joined as (

    select
        conversions.conversion_id,
        conversions.kind,
        int_touches.touch_number,
        int_touches.map_id,
        int_touches.channel_id,
        int_touches.previous_channel_id,
        int_touches.is_direct,
        int_touches.touched_at <= conversions.lead_at as is_before_lead,
        int_touches.touched_at <= conversions.booked_at as is_before_booking,
        (
            extract(epoch from conversions.decided_at)
            - extract(epoch from int_touches.touched_at)
        ) / 86400 as days_before
    from int_touches
    inner join conversions
        on
            int_touches.person_id = conversions.person_id
            and int_touches.touched_at <= conversions.decided_at
            and int_touches.touched_at >= conversions.opens_at
            and (
                conversions.closed_at is null
                or int_touches.touched_at > conversions.closed_at
            )

),

spans as (

    select
        conversion_id,
        min(touch_number) as first_number,
        max(touch_number) as last_number,
        max(case when not is_direct then touch_number end) as last_named_number,
        coalesce(max(case when is_before_lead then touch_number end), 0) as lead_number,
        coalesce(max(case when is_before_booking then touch_number end), 0) as booked_number,
        min(days_before) as last_days_before
    from joined
    group by conversion_id

),

channels as (

    select
        conversion_id,
        channel_id,
        cast(count(*) as integer) as channel_touches
    from joined
    group by conversion_id, channel_id

),

final as (

    select
        joined.conversion_id,
        joined.kind,
        cast(joined.touch_number - spans.first_number + 1 as integer) as step,
        cast(spans.last_number - spans.first_number + 1 as integer) as steps,
        cast(joined.days_before as double) as days_before,
        cast(joined.days_before - spans.last_days_before as double) as days_apart,
        joined.is_direct,
        cast(
            coalesce(spans.last_named_number, spans.last_number) - spans.first_number + 1
            as integer
        ) as last_non_direct_step,
        case when joined.touch_number = spans.first_number then 1 else 0 end
        + case when joined.touch_number = spans.lead_number then 1 else 0 end
        + case when joined.touch_number = spans.booked_number then 1 else 0 end as milestone,
        1
        + case when spans.lead_number > spans.first_number then 1 else 0 end
        + case
            when
                spans.booked_number > spans.first_number
                and spans.booked_number <> spans.lead_number
                then 1
            else 0
        end as milestone_touches,
        joined.map_id,
        joined.channel_id,
        case when joined.touch_number > spans.first_number then joined.previous_channel_id end
            as previous_channel_id,
        channels.channel_touches
    from joined
    inner join spans on joined.conversion_id = spans.conversion_id
    inner join channels
        on
            joined.conversion_id = channels.conversion_id
            and joined.channel_id = channels.channel_id

)

select * from final
