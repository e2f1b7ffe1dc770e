-- The touches of the journeys that led to nothing, each with the channels before it.
-- grain: person_id, kinds, journey, step
-- inputs: int_touches, int_lost_spans, int_conversions
--
-- A journey is lost when no touch and no conversion followed its last touch within the lookback,
-- and the data reach beyond that. A longer pause begins another journey. `before_1` is the channel
-- of the touch before, and so on; 0 is none. Touches of one instant are in the order of their keys.

with

moments as (

    select extract(epoch from max(touched_at)) as second
    from int_touches
    union all
    select extract(epoch from max(decided_at)) as second
    from int_conversions

),

reach as (

    select max(second) as until_second
    from moments

),

placed as (

    select
        spans.person_id,
        spans.kinds,
        spans.lookback_seconds,
        spans.collapses,
        spans.gap_seconds,
        cast(extract(epoch from int_touches.touched_at) as double) as touched_second,
        int_touches.record_id,
        int_touches.origin,
        int_touches.source,
        int_touches.account,
        int_touches.channel_id,
        int_touches.line_id
    from int_touches
    inner join int_lost_spans as spans on int_touches.person_id = spans.person_id
    where
        not (spans.drops_direct and int_touches.is_direct)
        and (
            spans.closed_second is null
            or extract(epoch from int_touches.touched_at) > spans.closed_second
        )

),

followed as (

    select
        *,
        lag(touched_second) over (
            partition by person_id, kinds
            order by touched_second, record_id, origin, source, account
        ) as before_second,
        lag(channel_id) over (
            partition by person_id, kinds
            order by touched_second, record_id, origin, source, account
        ) as before_id
    from placed

),

chosen as (

    select
        *,
        case
            when before_second is null or touched_second - before_second > lookback_seconds
                then 1
            else 0
        end as begins
    from followed
    where
        before_id is null
        or before_id <> channel_id
        or touched_second - before_second > lookback_seconds
        or not (collapses or touched_second - before_second < gap_seconds)

),

journeys as (

    select
        person_id,
        kinds,
        lookback_seconds,
        touched_second,
        record_id,
        origin,
        source,
        account,
        channel_id,
        line_id,
        sum(begins) over (
            partition by person_id, kinds
            order by touched_second, record_id, origin, source, account
            rows between unbounded preceding and current row
        ) as journey
    from chosen

),

steps as (

    select
        person_id,
        kinds,
        lookback_seconds,
        touched_second,
        channel_id,
        line_id,
        journey,
        row_number() over (
            partition by person_id, kinds, journey
            order by touched_second, record_id, origin, source, account
        ) as step,
        max(touched_second) over (partition by person_id, kinds, journey) as last_second,
        count(*) over (partition by person_id, kinds, journey) as steps,
        lag(channel_id, 1) over (
            partition by person_id, kinds, journey
            order by touched_second, record_id, origin, source, account
        ) as before_1,
        lag(channel_id, 2) over (
            partition by person_id, kinds, journey
            order by touched_second, record_id, origin, source, account
        ) as before_2,
        lag(channel_id, 3) over (
            partition by person_id, kinds, journey
            order by touched_second, record_id, origin, source, account
        ) as before_3,
        lag(channel_id, 4) over (
            partition by person_id, kinds, journey
            order by touched_second, record_id, origin, source, account
        ) as before_4
    from journeys

),

final as (

    select
        steps.person_id,
        steps.kinds,
        cast(steps.journey as integer) as journey,
        cast(steps.step as integer) as step,
        cast(steps.steps as integer) as steps,
        steps.last_second + steps.lookback_seconds as ended_second,
        steps.channel_id,
        coalesce(steps.before_1, 0) as before_1,
        coalesce(steps.before_2, 0) as before_2,
        coalesce(steps.before_3, 0) as before_3,
        coalesce(steps.before_4, 0) as before_4,
        steps.line_id
    from steps
    cross join reach
    where steps.last_second + steps.lookback_seconds <= reach.until_second

)

select * from final
