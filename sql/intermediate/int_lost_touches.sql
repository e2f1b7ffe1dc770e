-- The touches of the journeys that led to nothing, each with the channels before it.
-- grain: span, place
-- inputs: int_touches, int_lost_spans, int_conversions
-- parts: int_touches by person_id
--
-- A journey is lost when no touch and no conversion followed its last touch within the lookback,
-- and the data reach beyond that. A longer pause, or a conversion, begins another journey. `place`
-- orders the touches of a span, `later_journeys` counts the journeys of the span that came after;
-- `before_1` is the channel of the touch before in the journey, and so on; 0 is none. Where the
-- settings say so, direct visits are dropped of people who ever touched another channel.

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

converters as (

    select distinct person_id
    from int_lost_spans
    where person_id is not null

),

-- Spans that most people have. A person's number has sixty bits, so three are left to tell the
-- spans apart: kinds that are alike in one are not in another, so the first of them is enough.
everybody as (

    select
        *,
        case
            when (kinds & 1) > 0 then 0
            when (kinds & 2) > 0 then 1
            when (kinds & 4) > 0 then 2
            when (kinds & 8) > 0 then 3
            else 4
        end as slot
    from int_lost_spans
    where person_id is null

),

-- Nobody is looked for where no kind drops direct visits.
drops as (

    select max(case when drops_direct then 1 else 0 end) as direct
    from int_lost_spans

),

named as (

    select distinct int_touches.person_id
    from int_touches
    inner join drops on drops.direct = 1
    where not int_touches.is_direct and int_touches.person_id % 1 = 0

),

-- What is ordered is kept narrow, since ordering carries every column along; and a span is one
-- number, since ordering by three takes twice as long. Those who never converted have spans of
-- their own, below nought.
followed as (

    select
        spans.span,
        spans.kinds,
        cast(int_touches.person_id % 100 as smallint) as person_group,
        coalesce(spans.next_second, reach.until_second) as limit_second,
        spans.next_second is null as is_open,
        cast(spans.lookback_seconds as integer) as lookback_seconds,
        cast(case when spans.collapses then -1 else spans.gap_seconds end as integer)
            as gap_seconds,
        cast(extract(epoch from int_touches.touched_at) as double) as touched_second,
        int_touches.tie,
        int_touches.channel_id,
        int_touches.line_id
    from int_touches
    inner join int_lost_spans as spans on int_touches.person_id = spans.person_id
    left join named on int_touches.person_id = named.person_id
    cross join reach
    where
        int_touches.person_id % 1 = 0
        and not (spans.drops_direct and int_touches.is_direct and named.person_id is not null)
        and (
            spans.closed_second is null
            or extract(epoch from int_touches.touched_at) > spans.closed_second
        )
        and (
            spans.next_second is null
            or extract(epoch from int_touches.touched_at) <= spans.next_second
        )
    union all
    select
        -(int_touches.person_id * 8 + spans.slot) as span,
        spans.kinds,
        cast(int_touches.person_id % 100 as smallint) as person_group,
        reach.until_second as limit_second,
        true as is_open,
        cast(spans.lookback_seconds as integer) as lookback_seconds,
        cast(case when spans.collapses then -1 else spans.gap_seconds end as integer)
            as gap_seconds,
        cast(extract(epoch from int_touches.touched_at) as double) as touched_second,
        int_touches.tie,
        int_touches.channel_id,
        int_touches.line_id
    from int_touches
    left join converters on int_touches.person_id = converters.person_id
    cross join everybody as spans
    left join named on int_touches.person_id = named.person_id
    cross join reach
    where
        int_touches.person_id % 1 = 0
        and converters.person_id is null
        and not (spans.drops_direct and int_touches.is_direct and named.person_id is not null)

),

placed as (

    select
        *,
        lag(touched_second) over (
            partition by span order by touched_second, tie
        ) as last_touched_second,
        lag(channel_id) over (
            partition by span order by touched_second, tie
        ) as last_id
    from followed

),

chosen as (

    select
        span,
        kinds,
        person_group,
        limit_second,
        is_open,
        lookback_seconds,
        touched_second,
        tie,
        line_id,
        -- Whether a journey begins here, and the channel beside it: two numbers in one, since each
        -- look at an earlier touch costs as much as the other.
        2 * channel_id + case
            when last_id is null or touched_second - last_touched_second > lookback_seconds then 1
            else 0
        end as code
    from placed
    where
        last_id is null
        or last_id <> channel_id
        or touched_second - last_touched_second > lookback_seconds
        or not (gap_seconds < 0 or touched_second - last_touched_second < gap_seconds)

),

numbered as (

    select
        *,
        row_number() over (partition by span order by touched_second, tie) as place,
        -- How many journeys of the span began after this one.
        count(case when code % 2 = 1 then 1 end) over (
            partition by span order by touched_second, tie
            rows between 1 following and unbounded following
        ) as later_journeys,
        max(touched_second) over (partition by span) as last_second,
        lead(code) over (partition by span order by touched_second, tie) as next_code,
        lag(code, 1) over (partition by span order by touched_second, tie) as code_1,
        lag(code, 2) over (partition by span order by touched_second, tie) as code_2,
        lag(code, 3) over (partition by span order by touched_second, tie) as code_3,
        lag(code, 4) over (partition by span order by touched_second, tie) as code_4
    from chosen

),

-- How far back the journey's begin lies, if no more than four touches.
reached as (

    select
        *,
        case
            when code % 2 = 1 then 0
            when code_1 % 2 = 1 then 1
            when code_2 % 2 = 1 then 2
            when code_3 % 2 = 1 then 3
            else 4
        end as remembered
    from numbered
    where
        -- Only the last journey of a span can have converted, or may still convert.
        later_journeys > 0
        or last_second + lookback_seconds < limit_second
        or (is_open and last_second + lookback_seconds = limit_second)

),

final as (

    select
        span,
        cast(place as integer) as place,
        kinds,
        person_group,
        cast(later_journeys as integer) as later_journeys,
        coalesce(next_code, 1) % 2 = 1 as is_last,
        touched_second + lookback_seconds as ended_second,
        cast(code // 2 as integer) as channel_id,
        cast(case when remembered >= 1 then code_1 // 2 else 0 end as integer) as before_1,
        cast(case when remembered >= 2 then code_2 // 2 else 0 end as integer) as before_2,
        cast(case when remembered >= 3 then code_3 // 2 else 0 end as integer) as before_3,
        cast(case when remembered >= 4 then code_4 // 2 else 0 end as integer) as before_4,
        line_id
    from reached

)

select * from final
