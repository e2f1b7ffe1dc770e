-- The journeys of more than four touches that led to nothing: channels, length, when given up.
-- grain: span, end_place
-- inputs: int_lost_touches
-- parts: int_lost_touches by person_group times 12
--
-- `end_place` is the place of the journey's last touch. A channel is the bit of its number in
-- `channel_set`; from the sixty-second on they share one. Touches of one channel in a row are one
-- stretch: the first and the last three of them have their channels here. A journey of up to four
-- touches is all in its one row of int_lost_touches.

with

-- The fourth touch speaks for the three before it as well.
touches as (

    select
        span,
        end_place,
        place,
        kinds,
        person_group,
        moment,
        line_id,
        path < 281474976710656 as is_fourth,
        path & 4095 as channel_id,
        (path >> 12) & 4095 as before_1,
        (path >> 24) & 4095 as before_2,
        path >> 36 as before_3
    from int_lost_touches
    where (path >= 281474976710656 or not is_last) and person_group % 1 = 0

),

stretches as (

    select
        span,
        end_place,
        place * 4 as place,
        channel_id
    from touches
    where channel_id <> before_1
    union all
    select
        span,
        end_place,
        place * 4 + 1 as place,
        before_1 as channel_id
    from touches
    where is_fourth and before_1 <> before_2
    union all
    select
        span,
        end_place,
        place * 4 + 2 as place,
        before_2 as channel_id
    from touches
    where is_fourth and before_2 <> before_3
    union all
    select
        span,
        end_place,
        place * 4 + 3 as place,
        before_3 as channel_id
    from touches
    where is_fourth

),

-- Places are counted from the end.
numbered as (

    select
        span,
        end_place,
        channel_id,
        row_number() over (partition by span, end_place order by place) as back
    from stretches

),

ways as (

    select
        span,
        end_place,
        count(*) as stretches,
        max(case when back = 1 then channel_id end) as last_id,
        max(case when back = 2 then channel_id end) as second_last_id,
        max(case when back = 3 then channel_id end) as third_last_id
    from numbered
    group by span, end_place

),

journeys as (

    select
        span,
        end_place,
        max(kinds) as kinds,
        max(person_group) as person_group,
        max(moment) as moment,
        -- Two numbers in one, so that the nearest place to the end carries its line along.
        min(case when line_id > 0 then cast(place as bigint) * 4096 + line_id end) % 4096
            as line_id,
        bit_or(
            (cast(1 as bigint) << (least(channel_id, 62) - 1))
            | case
                when is_fourth
                    then
                        (cast(1 as bigint) << (least(before_1, 62) - 1))
                        | (cast(1 as bigint) << (least(before_2, 62) - 1))
                        | (cast(1 as bigint) << (least(before_3, 62) - 1))
                else 0
            end
        ) as channel_set,
        count(*) + 3 as touches,
        max(case when is_fourth then before_3 end) as first_id
    from touches
    group by span, end_place

),

final as (

    select
        journeys.span,
        journeys.end_place,
        journeys.kinds,
        journeys.person_group,
        journeys.moment,
        cast(coalesce(journeys.line_id, 0) as integer) as line_id,
        journeys.channel_set,
        cast(journeys.touches as integer) as touches,
        cast(ways.stretches as integer) as stretches,
        cast(journeys.first_id as integer) as first_id,
        cast(ways.last_id as integer) as last_id,
        cast(coalesce(ways.second_last_id, 0) as integer) as second_last_id,
        cast(coalesce(ways.third_last_id, 0) as integer) as third_last_id
    from journeys
    inner join ways on journeys.span = ways.span and journeys.end_place = ways.end_place

)

select * from final
