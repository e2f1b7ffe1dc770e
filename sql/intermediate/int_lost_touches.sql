-- The touches of the journeys that led to nothing, each with the channels before it.
-- grain: person_id, kinds, span, place
-- inputs: int_touches, int_lost_spans, int_conversions
--
-- A journey is lost when no touch and no conversion followed its last touch within the lookback,
-- and the data reach beyond that. A longer pause, or a conversion, begins another journey. `place`
-- orders the touches of a span; `before_1` is the channel of the touch before in the journey, and
-- so on; 0 is none. Where the settings say so, direct visits are dropped of people who ever touched
-- another channel.

with

moments as (

    select extract(epoch from max(touched_at)) as until_second
    from int_touches
    union all
    select extract(epoch from max(decided_at)) as until_second
    from int_conversions

),

reach as (

    select cast(max(until_second) as double) as until_second
    from moments

),

followed as (

    select
        spans.person_id,
        spans.kinds,
        spans.span,
        spans.lookback_seconds,
        spans.next_second,
        spans.collapses,
        spans.gap_seconds,
        int_touches.touched_at,
        cast(extract(epoch from int_touches.touched_at) as double) as touched_second,
        int_touches.tie,
        int_touches.channel_id,
        int_touches.line_id,
        lag(cast(extract(epoch from int_touches.touched_at) as double)) over (
            partition by spans.person_id, spans.kinds, spans.span
            order by int_touches.touched_at, int_touches.tie
        ) as last_touched_second,
        lag(int_touches.channel_id) over (
            partition by spans.person_id, spans.kinds, spans.span
            order by int_touches.touched_at, int_touches.tie
        ) as last_id
    from int_touches
    inner join int_lost_spans as spans on int_touches.person_id = spans.person_id
    where
        not (spans.drops_direct and int_touches.is_direct)
        and (
            spans.closed_second is null
            or extract(epoch from int_touches.touched_at) > spans.closed_second
        )
        and (
            spans.next_second is null
            or extract(epoch from int_touches.touched_at) <= spans.next_second
        )

),

chosen as (

    select
        person_id,
        kinds,
        span,
        lookback_seconds,
        next_second,
        touched_at,
        touched_second,
        tie,
        channel_id,
        line_id,
        -- Whether a journey begins here, and the channel beside it: two numbers in one, since each
        -- look at an earlier touch costs as much as the other.
        2 * channel_id + case
            when last_id is null or touched_second - last_touched_second > lookback_seconds then 1
            else 0
        end as code
    from followed
    where
        last_id is null
        or last_id <> channel_id
        or touched_second - last_touched_second > lookback_seconds
        or not (collapses or touched_second - last_touched_second < gap_seconds)

),

numbered as (

    select
        person_id,
        kinds,
        span,
        lookback_seconds,
        next_second,
        touched_second,
        channel_id,
        line_id,
        row_number() over (
            partition by person_id, kinds, span order by touched_at, tie
        ) as place,
        sum(code % 2) over (
            partition by person_id, kinds, span order by touched_at, tie
            rows between unbounded preceding and current row
        ) as journey,
        lead(code) over (
            partition by person_id, kinds, span order by touched_at, tie
        ) as next_code,
        max(case when code % 2 = 1 then touched_second end) over (
            partition by person_id, kinds, span
        ) as last_begin_second,
        max(touched_second) over (partition by person_id, kinds, span) as last_second,
        code,
        lag(code, 1) over (
            partition by person_id, kinds, span order by touched_at, tie
        ) as code_1,
        lag(code, 2) over (
            partition by person_id, kinds, span order by touched_at, tie
        ) as code_2,
        lag(code, 3) over (
            partition by person_id, kinds, span order by touched_at, tie
        ) as code_3,
        lag(code, 4) over (
            partition by person_id, kinds, span order by touched_at, tie
        ) as code_4
    from chosen

),

-- How far back the journey's begin lies, if no more than four touches.
reached as (

    select
        numbered.*,
        case
            when numbered.code % 2 = 1 then 0
            when numbered.code_1 % 2 = 1 then 1
            when numbered.code_2 % 2 = 1 then 2
            when numbered.code_3 % 2 = 1 then 3
            else 4
        end as remembered
    from numbered
    cross join reach
    where
        -- Only the last journey of a span can have converted, or may still convert.
        numbered.touched_second < numbered.last_begin_second
        or case
            when numbered.next_second is null
                then numbered.last_second + numbered.lookback_seconds <= reach.until_second
            else numbered.last_second + numbered.lookback_seconds < numbered.next_second
        end

),

final as (

    select
        person_id,
        kinds,
        span,
        cast(place as integer) as place,
        cast(journey as integer) as journey,
        coalesce(next_code, 1) % 2 = 1 as is_last,
        touched_second + lookback_seconds as ended_second,
        channel_id,
        case when remembered >= 1 then code_1 // 2 else 0 end as before_1,
        case when remembered >= 2 then code_2 // 2 else 0 end as before_2,
        case when remembered >= 3 then code_3 // 2 else 0 end as before_3,
        case when remembered >= 4 then code_4 // 2 else 0 end as before_4,
        line_id
    from reached

)

select * from final
