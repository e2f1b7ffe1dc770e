-- How often journeys went from one channel to the next, to a conversion or to nothing.
-- grain: kind, origin, target
-- inputs: int_channel_map, int_conversions, int_journey_touches, int_touches, setting_credit
--
-- Channels stand between (start) and (conversion) or (nothing). A journey to nothing is made of
-- touches after the person's last conversion of a kind, if there was any, whose lookback ran out
-- before the data end; it begins anew after a pause longer than the lookback.

with

channels as (

    select distinct
        channel_id,
        channel
    from int_channel_map

),

won as (

    select
        int_journey_touches.kind,
        int_journey_touches.previous_channel_id as origin_id,
        int_journey_touches.channel_id as target_id,
        int_journey_touches.step = int_journey_touches.steps as is_last,
        '(conversion)' as outcome,
        sum(int_conversions.conversions) as journeys
    from int_journey_touches
    inner join int_conversions
        on int_journey_touches.conversion_id = int_conversions.conversion_id
    group by 1, 2, 3, 4, 5

),

until as (

    select extract(epoch from max(touched_at)) as ends_at
    from int_touches

),

timed as (

    select
        int_touches.person_id,
        int_touches.previous_channel_id,
        int_touches.channel_id,
        extract(epoch from int_touches.previous_at) as previous_at,
        extract(epoch from int_touches.touched_at) as touched_at,
        extract(epoch from int_touches.next_at) as next_at,
        until.ends_at
    from int_touches
    cross join until

),

reached as (

    select
        person_id,
        kind,
        extract(epoch from max(decided_at)) as last_at
    from int_conversions
    where person_id is not null
    group by person_id, kind

),

windows as (

    select
        kind,
        lookback_days * 86400 as lookback
    from setting_credit

),

lost as (

    select
        windows.kind,
        case
            when
                timed.touched_at - timed.previous_at <= windows.lookback
                and (reached.last_at is null or timed.previous_at > reached.last_at)
                then timed.previous_channel_id
        end as origin_id,
        timed.channel_id as target_id,
        -- The next touch must have run out of its lookback too.
        timed.next_at is null
        or timed.next_at - timed.touched_at > windows.lookback
        or timed.next_at > timed.ends_at - windows.lookback as is_last,
        '(nothing)' as outcome,
        count(*) as journeys
    from timed
    inner join windows on timed.touched_at <= timed.ends_at - windows.lookback
    left join reached
        on timed.person_id = reached.person_id and windows.kind = reached.kind
    where reached.last_at is null or timed.touched_at > reached.last_at
    group by 1, 2, 3, 4, 5

),

steps as (

    select * from won
    union all
    select * from lost

),

named as (

    select
        steps.kind,
        coalesce(origins.channel, '(start)') as origin,
        targets.channel as target,
        steps.is_last,
        steps.outcome,
        steps.journeys
    from steps
    left join channels as origins on steps.origin_id = origins.channel_id
    inner join channels as targets on steps.target_id = targets.channel_id

),

together as (

    select
        kind,
        origin,
        target,
        journeys
    from named
    union all
    select
        kind,
        target as origin,
        outcome as target,
        journeys
    from named
    where is_last

),

final as (

    select
        kind,
        origin,
        target,
        cast(sum(journeys) as bigint) as journeys
    from together
    group by kind, origin, target
    having sum(journeys) > 0

)

select * from final
