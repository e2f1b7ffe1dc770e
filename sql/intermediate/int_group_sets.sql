-- Journeys by the set of channels they touched, apart for each of a hundred groups of people.
-- grain: kind, person_group, channel_set
-- inputs: int_journey_touches, int_conversions, int_lost_touches, int_lost_journeys, int_kinds
--
-- A channel is the bit of its number in `channel_set`; from the sixty-second on they share one.

with

won_sets as (

    select
        conversion_id,
        bit_or(
            cast(power(2, least(channel_id, 62) - 1) as bigint)
        ) as channel_set
    from int_journey_touches
    group by conversion_id

),

won as (

    select
        int_conversions.kind,
        cast(int_conversions.person_id % 100 as integer) as person_group,
        won_sets.channel_set,
        cast(sum(int_conversions.conversions) as bigint) as won,
        0 as lost
    from won_sets
    inner join int_conversions on won_sets.conversion_id = int_conversions.conversion_id
    where int_conversions.conversions > 0
    group by 1, 2, 3

),

-- Journeys of up to four touches, whose channels are all in the path.
ways as (

    select
        kinds,
        person_group,
        path,
        count(*) as lost
    from int_lost_touches
    where is_last and path < 281474976710656
    group by 1, 2, 3

),

lost as (

    select
        kinds,
        person_group,
        cast(1 as bigint) << (least(path & 4095, 62) - 1)
        | case
            when path >= 4096 then cast(1 as bigint) << (least((path >> 12) & 4095, 62) - 1) else 0
        end
        | case
            when path >= 16777216
                then cast(1 as bigint) << (least((path >> 24) & 4095, 62) - 1)
            else 0
        end
        | case
            when path >= 68719476736 then cast(1 as bigint) << (least(path >> 36, 62) - 1) else 0
        end as channel_set,
        lost
    from ways
    union all
    select
        kinds,
        person_group,
        channel_set,
        count(*) as lost
    from int_lost_journeys
    group by 1, 2, 3

),

together as (

    select * from won
    union all
    select
        int_kinds.kind,
        lost.person_group,
        lost.channel_set,
        0 as won,
        lost.lost
    from lost
    inner join int_kinds on (lost.kinds & int_kinds.bit) > 0

),

final as (

    select
        kind,
        person_group,
        channel_set,
        cast(sum(won) as bigint) as won,
        cast(sum(lost) as bigint) as lost
    from together
    group by kind, person_group, channel_set

)

select * from final
