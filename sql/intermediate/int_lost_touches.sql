-- The touches of the journeys that led to nothing, each with the channels before it.
-- grain: span, place
-- inputs: int_touches, int_lost_spans, int_conversions
-- parts: int_touches by person_id
--
-- A journey is lost when no touch and no conversion followed its last touch within the lookback,
-- and the data reach beyond that. A longer pause, or a conversion, begins another journey; pauses
-- are of whole seconds. `place` orders the touches of a span, `is_last` ends a journey; `moment` is
-- the quarter of an hour in which the journey was given up, if it ended with this touch. `before_1`
-- is the channel of the touch before in the journey, and so on; 0 is none. `line_id` is the service
-- line that the journey last spoke for, in this touch or the four before it; 0 is none. Where the
-- settings say so, direct visits are dropped of people who ever touched another channel, and a
-- channel that touches once more at once is no step.

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

-- Spans of this part of the people: all of them would be held against each part.
spans as (

    select
        int_lost_spans.span,
        int_lost_spans.person_id,
        int_lost_spans.kinds,
        int_lost_spans.closed_second,
        int_lost_spans.next_second,
        int_lost_spans.lookback_seconds,
        int_lost_spans.drops_direct,
        case when int_lost_spans.collapses then -1 else int_lost_spans.gap_seconds end
            as gap_seconds,
        -- The last second at which a touch ends a journey that is lost.
        cast(
            case
                when int_lost_spans.next_second is null then floor(reach.until_second)
                else ceil(int_lost_spans.next_second) - 1
            end as bigint
        ) - int_lost_spans.lookback_seconds as settled_second
    from int_lost_spans
    cross join reach
    where int_lost_spans.person_id % 1 = 0

),

converters as (

    select distinct person_id
    from spans

),

-- Spans that most people have. A person's number has sixty bits, so three are left to tell the
-- spans apart: kinds that are alike in one are not in another, so the first of them is enough.
everybody as (

    select
        int_lost_spans.kinds,
        int_lost_spans.lookback_seconds,
        int_lost_spans.drops_direct,
        case when int_lost_spans.collapses then -1 else int_lost_spans.gap_seconds end
            as gap_seconds,
        cast(floor(reach.until_second) as bigint) - int_lost_spans.lookback_seconds
            as settled_second,
        case
            when (int_lost_spans.kinds & 1) > 0 then 0
            when (int_lost_spans.kinds & 2) > 0 then 1
            when (int_lost_spans.kinds & 4) > 0 then 2
            when (int_lost_spans.kinds & 8) > 0 then 3
            else 4
        end as slot
    from int_lost_spans
    cross join reach
    where int_lost_spans.person_id is null

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

-- Touches that are no step: none, unless the settings of a kind say so.
strict as (

    select
        spans.span,
        spans.lookback_seconds,
        spans.gap_seconds,
        cast(extract(epoch from int_touches.touched_at) as double) as touched_second,
        int_touches.tie,
        int_touches.channel_id
    from int_touches
    inner join spans on int_touches.person_id = spans.person_id
    left join named on int_touches.person_id = named.person_id
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
        and spans.gap_seconds <> 0
    union all
    select
        -(int_touches.person_id * 8 + spans.slot) as span,
        spans.lookback_seconds,
        spans.gap_seconds,
        cast(extract(epoch from int_touches.touched_at) as double) as touched_second,
        int_touches.tie,
        int_touches.channel_id
    from int_touches
    left join converters on int_touches.person_id = converters.person_id
    cross join everybody as spans
    left join named on int_touches.person_id = named.person_id
    where
        int_touches.person_id % 1 = 0
        and converters.person_id is null
        and not (spans.drops_direct and int_touches.is_direct and named.person_id is not null)
        and spans.gap_seconds <> 0

),

neighbours as (

    select
        *,
        lag(touched_second) over (
            partition by span order by touched_second, tie
        ) as last_touched_second,
        lag(channel_id) over (
            partition by span order by touched_second, tie
        ) as last_id
    from strict

),

repeats as (

    select
        span,
        touched_second,
        tie
    from neighbours
    where
        last_id = channel_id
        and touched_second - last_touched_second <= lookback_seconds
        and (gap_seconds < 0 or touched_second - last_touched_second < gap_seconds)

),

-- What is ordered is kept narrow, since ordering carries every column along: second, channel and
-- service line are one number, so that an earlier touch is looked at once; and a span is one
-- number, since ordering by three takes twice as long. Those who never converted have spans of
-- their own, below nought.
followed as (

    select
        spans.span,
        cast(spans.kinds as smallint) as kinds,
        cast(int_touches.person_id % 100 as smallint) as person_group,
        cast(spans.lookback_seconds as integer) as lookback_seconds,
        spans.settled_second,
        cast(extract(epoch from int_touches.touched_at) as double) as touched_second,
        int_touches.tie,
        greatest(cast(floor(extract(epoch from int_touches.touched_at)) as bigint), 0) * 1073741824
        + least(int_touches.channel_id, 16383) * 65536
        + least(coalesce(int_touches.line_id, 0), 65535) as code
    from int_touches
    inner join spans on int_touches.person_id = spans.person_id
    left join named on int_touches.person_id = named.person_id
    left join repeats
        on
            spans.span = repeats.span
            and extract(epoch from int_touches.touched_at) = repeats.touched_second
            and int_touches.tie = repeats.tie
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
        and repeats.span is null
    union all
    select
        -(int_touches.person_id * 8 + spans.slot) as span,
        cast(spans.kinds as smallint) as kinds,
        cast(int_touches.person_id % 100 as smallint) as person_group,
        cast(spans.lookback_seconds as integer) as lookback_seconds,
        spans.settled_second,
        cast(extract(epoch from int_touches.touched_at) as double) as touched_second,
        int_touches.tie,
        greatest(cast(floor(extract(epoch from int_touches.touched_at)) as bigint), 0) * 1073741824
        + least(int_touches.channel_id, 16383) * 65536
        + least(coalesce(int_touches.line_id, 0), 65535) as code
    from int_touches
    left join converters on int_touches.person_id = converters.person_id
    cross join everybody as spans
    left join named on int_touches.person_id = named.person_id
    left join repeats
        on
            -(int_touches.person_id * 8 + spans.slot) = repeats.span
            and extract(epoch from int_touches.touched_at) = repeats.touched_second
            and int_touches.tie = repeats.tie
    where
        int_touches.person_id % 1 = 0
        and converters.person_id is null
        and not (spans.drops_direct and int_touches.is_direct and named.person_id is not null)
        and repeats.span is null

),

walked as (

    select
        span,
        kinds,
        person_group,
        lookback_seconds,
        settled_second,
        code,
        row_number() over (partition by span order by touched_second, tie) as place,
        max(code) over (partition by span) >> 30 as last_second,
        lead(code) over (partition by span order by touched_second, tie) as next_code,
        lag(code, 1) over (partition by span order by touched_second, tie) as code_1,
        lag(code, 2) over (partition by span order by touched_second, tie) as code_2,
        lag(code, 3) over (partition by span order by touched_second, tie) as code_3,
        lag(code, 4) over (partition by span order by touched_second, tie) as code_4
    from followed

),

-- Only the last journey of a span can have converted, or may still convert: where one may, all
-- before it are lost, up to the end of the one before.
ends as (

    select
        span,
        max(code >> 30) as ended_second
    from walked
    where
        last_second > settled_second
        and (next_code >> 30) - (code >> 30) > lookback_seconds
    group by span

),

-- How far back the journey's begin lies, if no more than four touches.
reached as (

    select
        walked.*,
        case
            when
                walked.code_1 is null
                or (walked.code >> 30) - (walked.code_1 >> 30) > walked.lookback_seconds
                then 0
            when
                walked.code_2 is null
                or (walked.code_1 >> 30) - (walked.code_2 >> 30) > walked.lookback_seconds
                then 1
            when
                walked.code_3 is null
                or (walked.code_2 >> 30) - (walked.code_3 >> 30) > walked.lookback_seconds
                then 2
            when
                walked.code_4 is null
                or (walked.code_3 >> 30) - (walked.code_4 >> 30) > walked.lookback_seconds
                then 3
            else 4
        end as remembered
    from walked
    left join ends on walked.span = ends.span
    where
        walked.last_second <= walked.settled_second
        or (walked.code >> 30) <= ends.ended_second

),

final as (

    select
        span,
        cast(place as integer) as place,
        kinds,
        person_group,
        next_code is null or (next_code >> 30) - (code >> 30) > lookback_seconds as is_last,
        cast(((code >> 30) + lookback_seconds) // 900 as integer) as moment,
        cast((code >> 16) & 16383 as integer) as channel_id,
        cast(case when remembered >= 1 then (code_1 >> 16) & 16383 else 0 end as integer)
            as before_1,
        cast(case when remembered >= 2 then (code_2 >> 16) & 16383 else 0 end as integer)
            as before_2,
        cast(case when remembered >= 3 then (code_3 >> 16) & 16383 else 0 end as integer)
            as before_3,
        cast(case when remembered >= 4 then (code_4 >> 16) & 16383 else 0 end as integer)
            as before_4,
        cast(
            case
                when (code & 65535) > 0 then code & 65535
                when remembered >= 1 and (code_1 & 65535) > 0 then code_1 & 65535
                when remembered >= 2 and (code_2 & 65535) > 0 then code_2 & 65535
                when remembered >= 3 and (code_3 & 65535) > 0 then code_3 & 65535
                when remembered >= 4 then code_4 & 65535
                else 0
            end as integer
        ) as line_id
    from reached

)

select * from final
