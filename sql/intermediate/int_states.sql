-- How often a touch of a channel followed the four channels before it, in all journeys.
-- grain: kind, is_won, is_last, channel_id, before_1, before_2, before_3, before_4
-- inputs: int_journey_touches, int_conversions, int_lost_touches, int_kinds
--
-- Enough to count a Markov chain of any order up to four: a touch is a move from the state of the
-- channels before it, and where it is the last, one more from the state it makes to the journey's
-- end. Two bookings of one moment are two journeys.

with

won as (

    select
        touches.kind,
        touches.step = touches.steps as is_last,
        touches.channel_id,
        touches.before_1,
        touches.before_2,
        touches.before_3,
        touches.before_4,
        cast(sum(int_conversions.conversions) as bigint) as journeys
    from int_journey_touches as touches
    inner join int_conversions on touches.conversion_id = int_conversions.conversion_id
    where int_conversions.conversions > 0
    group by 1, 2, 3, 4, 5, 6, 7

),

ways as (

    select
        kinds,
        is_last,
        path,
        count(*) as journeys
    from int_lost_touches
    group by 1, 2, 3

),

backs as (

    select 0 as back
    union all
    select 1 as back
    union all
    select 2 as back
    union all
    select 3 as back

),

-- A row with up to four channels speaks for each of them, one with five for the latest.
lost as (

    select
        ways.kinds,
        case when backs.back = 0 then ways.is_last else false end as is_last,
        ways.path >> (12 * backs.back) as path,
        ways.journeys
    from ways
    inner join backs
        on
            backs.back = 0
            or (
                ways.path < 281474976710656
                and (ways.path >> (12 * backs.back)) > 0
            )

),

final as (

    select
        kind,
        true as is_won,
        is_last,
        channel_id,
        before_1,
        before_2,
        before_3,
        before_4,
        journeys
    from won
    union all
    select
        int_kinds.kind,
        false as is_won,
        lost.is_last,
        cast(lost.path & 4095 as integer) as channel_id,
        cast((lost.path >> 12) & 4095 as integer) as before_1,
        cast((lost.path >> 24) & 4095 as integer) as before_2,
        cast((lost.path >> 36) & 4095 as integer) as before_3,
        cast(lost.path >> 48 as integer) as before_4,
        cast(sum(lost.journeys) as bigint) as journeys
    from lost
    inner join int_kinds on (lost.kinds & int_kinds.bit) > 0
    group by 1, 2, 3, 4, 5, 6, 7, 8

)

select * from final
