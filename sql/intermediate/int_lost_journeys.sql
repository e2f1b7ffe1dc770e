-- The journeys that led to nothing, one a row: channels, length, when each was given up.
-- grain: span, later_journeys
-- inputs: int_lost_touches
-- parts: int_lost_touches by person_group
--
-- A channel is the bit of its number in `channel_set`; from the sixty-second on they share one.
-- `moment` is the quarter of an hour in which the journey was given up. Touches of one channel in a
-- row are one stretch: the first and the last three of them have their channels here. Only journeys
-- of four stretches and more are ordered once more, for the third from the end.

with

-- Two numbers in one, so that the largest place carries its line or channel along.
journeys as (

    select
        span,
        later_journeys,
        max(kinds) as kinds,
        max(person_group) as person_group,
        max(ended_second) as ended_second,
        max(cast(place as bigint) * 1048576 + line_id) % 1048576 as line_id,
        bit_or(cast(1 as bigint) << (least(channel_id, 62) - 1)) as channel_set,
        count(*) as touches,
        sum(case when channel_id <> before_1 then 1 else 0 end) as stretches,
        min(cast(place as bigint) * 1048576 + channel_id) % 1048576 as first_id,
        max(cast(place as bigint) * 1048576 + channel_id) % 1048576 as last_id,
        max(case when channel_id <> before_1 then cast(place as bigint) * 1048576 + before_1 end)
        % 1048576 as second_last_id
    from int_lost_touches
    where person_group % 1 = 0
    group by span, later_journeys

),

numbered as (

    select
        touches.span,
        touches.later_journeys,
        touches.channel_id,
        row_number() over (
            partition by touches.span, touches.later_journeys order by touches.place desc
        ) as back
    from int_lost_touches as touches
    inner join journeys
        on
            touches.span = journeys.span
            and touches.later_journeys = journeys.later_journeys
    where journeys.stretches >= 4 and touches.channel_id <> touches.before_1

),

thirds as (

    select
        span,
        later_journeys,
        channel_id
    from numbered
    where back = 3

),

final as (

    select
        journeys.span,
        journeys.later_journeys,
        journeys.kinds,
        journeys.person_group,
        cast(floor(journeys.ended_second / 900) as bigint) as moment,
        journeys.line_id,
        journeys.channel_set,
        cast(journeys.touches as integer) as touches,
        cast(journeys.stretches as integer) as stretches,
        cast(journeys.first_id as integer) as first_id,
        cast(journeys.last_id as integer) as last_id,
        cast(journeys.second_last_id as integer) as second_last_id,
        thirds.channel_id as third_last_id
    from journeys
    left join thirds
        on
            journeys.span = thirds.span
            and journeys.later_journeys = thirds.later_journeys

)

select * from final
