-- What each platform could claim by a click, as we saw it: conversions with a click in its window.
-- grain: conversion_id, platform
-- inputs: int_conversions, int_touches, int_platforms, int_claim_terms, setting_report
--
-- The platform's last click counts, whatever our own lookback is and whether or not the touch is
-- part of a journey of ours. `claim_day` is the day on which the platform would put it.

with

clicks as (

    select
        int_conversions.conversion_id,
        int_conversions.kind,
        int_conversions.week,
        int_conversions.conversions,
        int_claim_terms.platform,
        int_claim_terms.is_dated_by_touch,
        int_claim_terms.last_day,
        int_conversions.decided_at,
        int_touches.touched_at,
        int_touches.map_id,
        row_number() over (
            partition by int_conversions.conversion_id, int_claim_terms.platform
            order by int_touches.touched_at desc, int_touches.tie desc
        ) as place
    from int_conversions
    inner join int_claim_terms on int_conversions.kind = int_claim_terms.kind
    inner join int_touches
        on
            int_conversions.person_id = int_touches.person_id
            and int_conversions.decided_at >= int_touches.touched_at
            and int_conversions.decided_at
            <= int_touches.touched_at + int_claim_terms.window_days * interval '1' day
    inner join int_platforms
        on
            int_touches.map_id = int_platforms.map_id
            and int_claim_terms.platform = int_platforms.platform

),

dated as (

    select
        clicks.conversion_id,
        clicks.platform,
        clicks.kind,
        clicks.map_id,
        clicks.week,
        clicks.conversions,
        clicks.last_day,
        cast(
            case when clicks.is_dated_by_touch then clicks.touched_at else clicks.decided_at end
            at time zone setting_report.timezone as date
        ) as claim_day
    from clicks
    cross join setting_report
    where clicks.place = 1

),

final as (

    select
        conversion_id,
        platform,
        kind,
        map_id,
        week,
        conversions,
        claim_day,
        claim_day > last_day as is_late
    from dated

)

select * from final
