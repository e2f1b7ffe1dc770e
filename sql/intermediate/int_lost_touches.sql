-- The journeys that led to nothing: the last touch of each, with the channels before it.
-- grain: span, place
-- inputs: int_touches, int_lost_spans, int_conversions, setting_today
-- parts: int_touches by person_id
--
-- A journey is lost when no touch and no conversion followed its last touch within the lookback,
-- and the data reach beyond that. A longer pause, or a conversion, begins another journey; pauses
-- are of whole seconds. `path` holds the channel of a touch and of the four before it in the
-- journey, twelve bits each, the latest lowest; 0 is none. A journey of up to four touches is one
-- row, which `is_last`; of a longer one the fourth touch, which speaks for all up to it, and each
-- after it has a row. So every touch is spoken for once, and most journeys are a row.
--
-- `place` counts the touches of a span from its end, beginning anywhere, and `end_place` is that of
-- the journey's last. `moment` is the quarter of an hour in which the journey was given up.
-- `line_id` is the service line that the journey last spoke for, in this touch or the four before
-- it; 0 is none. Where the settings say so, direct visits are dropped of people who ever touched
-- another channel, and a channel that touches once more at once is no step.
--
-- Everything is put in order once (`ordered`), and all that follows looks back and ahead in it.

with

moments as (

    select extract(epoch from max(touched_at)) as until_second
    from int_touches
    union all
    select extract(epoch from max(decided_at)) as until_second
    from int_conversions

),

reach as (

    select
        cast(
            floor(
                least(
                    max(moments.until_second),
                    -- Days to come, by a slip in a year, give no journey of today up.
                    cast(max(date_diff('day', date '1970-01-01', setting_today.today)) as bigint)
                    * 86400 + 129600
                )
            ) as bigint
        ) as until_second
    from moments
    cross join setting_today

),

-- Spans of this part of the people, and those that everybody else has. Kinds that are alike in one
-- span are not in another, so the first kind of it is its slot.
spans as (

    select
        span,
        person_id,
        kinds,
        closed_second,
        next_second,
        drops_direct,
        cast(least(lookback_seconds, 2147483647) as integer) as lookback_seconds,
        cast(
            case when collapses then 2147483647 else least(gap_seconds, 2147483647) end as integer
        ) as gap_seconds,
        case
            when (kinds & 1) > 0 then 0
            when (kinds & 2) > 0 then 1
            when (kinds & 4) > 0 then 2
            when (kinds & 8) > 0 then 3
            else 4
        end as slot
    from int_lost_spans
    where person_id is null or person_id % 1 = 0

),

-- Those of people who ever converted. What orders touches has to be narrow: a span is one number,
-- whose last three bits are its slot, below nought for those who converted.
own as (

    select
        slot - span * 8 as span,
        person_id,
        cast(person_id % 100 as smallint) as person_group,
        kinds,
        closed_second,
        next_second,
        drops_direct,
        lookback_seconds,
        gap_seconds,
        -- The last second in which the span's last journey may have been given up.
        cast(ceil(next_second) as bigint) - 1 as until_second
    from spans
    where person_id is not null

),

converters as (

    select distinct person_id
    from own

),

-- Spans that everybody else has.
everybody as (

    select
        slot,
        kinds,
        drops_direct,
        lookback_seconds,
        gap_seconds
    from spans
    where person_id is null

),

parameters as (

    select
        max(case when slot = 0 then kinds end) as kinds_0,
        max(case when slot = 1 then kinds end) as kinds_1,
        max(case when slot = 2 then kinds end) as kinds_2,
        max(case when slot = 3 then kinds end) as kinds_3,
        max(case when slot = 4 then kinds end) as kinds_4
    from everybody

),

-- Nobody is looked for where no kind drops direct visits.
drops as (

    select max(case when drops_direct then 1 else 0 end) as direct
    from spans

),

named as (

    select distinct int_touches.person_id
    from int_touches
    inner join drops on drops.direct = 1
    where not int_touches.is_direct and int_touches.person_id % 1 = 0

),

followed as (

    select
        own.span,
        int_touches.touched_at,
        int_touches.tie,
        int_touches.channel_id,
        int_touches.line_id,
        own.lookback_seconds,
        own.gap_seconds
    from int_touches
    inner join own on int_touches.person_id = own.person_id
    left join named on int_touches.person_id = named.person_id
    where
        int_touches.person_id % 1 = 0
        and not (own.drops_direct and int_touches.is_direct and named.person_id is not null)
        and (
            own.closed_second is null
            or extract(epoch from int_touches.touched_at) > own.closed_second
        )
        and (
            own.next_second is null
            or extract(epoch from int_touches.touched_at) <= own.next_second
        )
    union all
    select
        int_touches.person_id * 8 + everybody.slot as span,
        int_touches.touched_at,
        int_touches.tie,
        int_touches.channel_id,
        int_touches.line_id,
        everybody.lookback_seconds,
        everybody.gap_seconds
    from int_touches
    left join converters on int_touches.person_id = converters.person_id
    cross join everybody
    left join named on int_touches.person_id = named.person_id
    where
        int_touches.person_id % 1 = 0
        and converters.person_id is null
        and not (everybody.drops_direct and int_touches.is_direct and named.person_id is not null)

),

-- A touch is one number: its second (32 bits), which it was of that second (7), channel and service
-- line (12 each), so that an earlier touch is looked at once and ordered by one column. Settings
-- are carried along: no join may stand between this order and the windows. DuckDB keeps the order
-- of one side of a join, and which of them that is depends on how many rows it expects.
ordered as (

    select
        span,
        -- Whoever says that a touch was in another century says it of the last second of 32 bits.
        least(greatest(cast(floor(extract(epoch from touched_at)) as bigint), 0), 4294967295)
        * 2147483648
        + least(tie, 127) * 16777216
        + least(channel_id, 4095) * 4096
        + least(coalesce(line_id, 0), 4095) as code,
        lookback_seconds,
        gap_seconds
    from followed
    order by span asc, code desc

),

neighbours as (

    select
        span,
        code,
        lookback_seconds,
        gap_seconds,
        lead(span) over () as earlier_span,
        lead(code) over () as earlier
    from ordered

),

-- Without the touches that are no step: none, unless the settings of a kind say so.
steps as (

    select
        span,
        code,
        lookback_seconds
    from neighbours
    where
        gap_seconds = 0
        or earlier_span is null
        or earlier_span <> span
        or ((earlier >> 12) & 4095) <> ((code >> 12) & 4095)
        or (code >> 31) - (earlier >> 31) > lookback_seconds
        or (code >> 31) - (earlier >> 31) >= gap_seconds

),

around as (

    select
        span,
        code,
        lookback_seconds,
        row_number() over () as place,
        lag(span) over () as later_span,
        lag(code) over () as later,
        lead(span) over () as earlier_span,
        lead(code) over () as earlier
    from steps

),

-- A step is a channel and a line, and a bit above them where a journey begins with it.
edges as (

    select
        span,
        code,
        lookback_seconds,
        place,
        (code & 16777215)
        + case
            when
                earlier_span is null
                or earlier_span <> span
                or (code >> 31) - (earlier >> 31) > lookback_seconds
                then 16777216
            else 0
        end as step,
        case
            when later_span is null or later_span <> span then 2
            when (later >> 31) - (code >> 31) > lookback_seconds then 1
            else 0
        end as ending
    from around

),

-- `ended` carries along from a journey's last touch what the touches before it have to know: its
-- place, whether it is the last of the span (a bit), its second (32 bits).
walked as (

    select
        span,
        lookback_seconds,
        place,
        step,
        ending,
        lead(step, 1) over () as step_1,
        lead(step, 2) over () as step_2,
        lead(step, 3) over () as step_3,
        lead(step, 4) over () as step_4,
        max(
            case
                when ending > 0
                    then place * 8589934592 + (ending - 1) * 4294967296 + (code >> 31)
            end
        ) over (rows between unbounded preceding and current row) as ended  -- noqa: PRS
    from edges

),

-- How far back the journey's begin lies, if no more than four touches.
remembered as (

    select
        span,
        lookback_seconds,
        place,
        ended,
        ending,
        case
            when step >= 16777216 then 0
            when step_1 >= 16777216 then 1
            when step_2 >= 16777216 then 2
            when step_3 >= 16777216 then 3
            else 4
        end as remembered,
        step & 16777215 as step,
        step_1 & 16777215 as step_1,
        step_2 & 16777215 as step_2,
        step_3 & 16777215 as step_3,
        step_4 & 16777215 as step_4
    from walked
    where ending > 0 or (step < 16777216 and step_1 < 16777216 and step_2 < 16777216)

),

told as (

    select
        span,
        place,
        ended >> 33 as end_place,
        ending > 0 as is_last,
        (ended >> 32) & 1 as is_last_of_span,
        (ended & 4294967295) + lookback_seconds as given_up_second,
        case
            when (step & 4095) > 0 then step & 4095
            when remembered >= 1 and (step_1 & 4095) > 0 then step_1 & 4095
            when remembered >= 2 and (step_2 & 4095) > 0 then step_2 & 4095
            when remembered >= 3 and (step_3 & 4095) > 0 then step_3 & 4095
            when remembered >= 4 then step_4 & 4095
            else 0
        end as line_id,
        (step >> 12)
        + case when remembered >= 1 then (step_1 >> 12) * 4096 else 0 end
        + case when remembered >= 2 then (step_2 >> 12) * 16777216 else 0 end
        + case when remembered >= 3 then (step_3 >> 12) * 68719476736 else 0 end
        + case when remembered >= 4 then (step_4 >> 12) * 281474976710656 else 0 end as path
    from remembered

),

-- Only the last journey of a span can have converted, or may still convert.
final as (

    select
        told.span,
        cast(told.place as integer) as place,
        cast(told.end_place as integer) as end_place,
        told.is_last,
        cast(
            case
                when told.span < 0 then own.kinds
                when (told.span & 7) = 0 then parameters.kinds_0
                when (told.span & 7) = 1 then parameters.kinds_1
                when (told.span & 7) = 2 then parameters.kinds_2
                when (told.span & 7) = 3 then parameters.kinds_3
                else parameters.kinds_4
            end as smallint
        ) as kinds,
        case
            when told.span < 0 then own.person_group
            else cast((told.span >> 3) % 100 as smallint)
        end as person_group,
        cast(told.given_up_second // 900 as integer) as moment,
        cast(told.line_id as smallint) as line_id,
        told.path
    from told
    cross join reach
    cross join parameters
    left join own on told.span = own.span
    where
        told.is_last_of_span = 0
        or told.given_up_second <= coalesce(own.until_second, reach.until_second)

)

select * from final
