-- The journeys that led to nothing, one a row: channels, length, when each was given up.
-- grain: span, place
-- inputs: int_lost_touches
-- parts: int_lost_touches by person_group
--
-- `place` is that of the journey's last touch. A channel is the bit of its number in `channel_set`;
-- from the sixty-second on they share one. `moment` is the quarter of an hour in which the journey
-- was given up. Touches of one channel in a row are one stretch: the first and the last three of
-- them have their channels here. The last touch of a journey of up to four knows all others; only
-- longer ones are looked through touch by touch.

with

short as (

    select
        span,
        place,
        kinds,
        person_group,
        moment,
        line_id,
        cast(1 as bigint) << (least(channel_id, 62) - 1)
        | case when before_1 > 0 then cast(1 as bigint) << (least(before_1, 62) - 1) else 0 end
        | case when before_2 > 0 then cast(1 as bigint) << (least(before_2, 62) - 1) else 0 end
        | case when before_3 > 0 then cast(1 as bigint) << (least(before_3, 62) - 1) else 0 end
            as channel_set,
        case
            when before_3 > 0 then 4
            when before_2 > 0 then 3
            when before_1 > 0 then 2
            else 1
        end as touches,
        case when channel_id <> before_1 then 1 else 0 end
        + case when before_1 <> before_2 then 1 else 0 end
        + case when before_2 <> before_3 then 1 else 0 end
        + case when before_3 > 0 then 1 else 0 end as stretches,
        case
            when before_3 > 0 then before_3
            when before_2 > 0 then before_2
            when before_1 > 0 then before_1
            else channel_id
        end as first_id,
        channel_id as last_id,
        case
            when before_1 <> channel_id then before_1
            when before_2 <> channel_id then before_2
            when before_3 <> channel_id then before_3
            else 0
        end as second_last_id,
        before_2 as third_last_id
    from int_lost_touches
    where is_last and before_4 = 0 and person_group % 1 = 0

),

long_spans as (

    select distinct span
    from int_lost_touches
    where is_last and before_4 > 0 and person_group % 1 = 0

),

-- Each touch with the place of the last one of its journey.
walked as (

    select
        touches.span,
        touches.place,
        touches.kinds,
        touches.person_group,
        touches.moment,
        touches.line_id,
        touches.channel_id,
        touches.before_1,
        min(case when touches.is_last then touches.place end) over (
            partition by touches.span order by touches.place desc
        ) as last_place
    from int_lost_touches as touches
    inner join long_spans on touches.span = long_spans.span
    where touches.person_group % 1 = 0

),

stretches as (

    select
        span,
        last_place,
        channel_id,
        row_number() over (partition by span, last_place order by place desc) as back
    from walked
    where channel_id <> before_1

),

ways as (

    select
        span,
        last_place,
        count(*) as stretches,
        max(case when back = 1 then channel_id end) as last_id,
        max(case when back = 2 then channel_id end) as second_last_id,
        max(case when back = 3 then channel_id end) as third_last_id
    from stretches
    group by span, last_place

),

-- Two numbers in one, so that the largest place carries its line or channel along.
journeys as (

    select
        span,
        last_place,
        max(kinds) as kinds,
        max(person_group) as person_group,
        max(moment) as moment,
        max(case when line_id > 0 then cast(place as bigint) * 1048576 + line_id else 0 end)
        % 1048576 as line_id,
        bit_or(cast(1 as bigint) << (least(channel_id, 62) - 1)) as channel_set,
        count(*) as touches,
        min(cast(place as bigint) * 1048576 + channel_id) % 1048576 as first_id
    from walked
    group by span, last_place
    having count(*) > 4

),

together as (

    select * from short
    union all
    select
        journeys.span,
        journeys.last_place as place,
        journeys.kinds,
        journeys.person_group,
        journeys.moment,
        journeys.line_id,
        journeys.channel_set,
        journeys.touches,
        ways.stretches,
        journeys.first_id,
        ways.last_id,
        coalesce(ways.second_last_id, 0) as second_last_id,
        ways.third_last_id
    from journeys
    inner join ways
        on
            journeys.span = ways.span
            and journeys.last_place = ways.last_place

),

final as (

    select
        span,
        place,
        kinds,
        person_group,
        moment,
        cast(line_id as integer) as line_id,
        channel_set,
        cast(touches as integer) as touches,
        cast(stretches as integer) as stretches,
        cast(first_id as integer) as first_id,
        cast(last_id as integer) as last_id,
        cast(second_last_id as integer) as second_last_id,
        cast(third_last_id as integer) as third_last_id
    from together

)

select * from final
