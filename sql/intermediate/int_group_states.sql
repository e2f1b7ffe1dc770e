-- The states of the chosen Markov chain, apart for each of a hundred groups of people.
-- grain: kind, person_group, is_won, is_last, channel_id, before_1, before_2, before_3, before_4
-- inputs: int_journey_touches, int_conversions, int_lost_touches, int_kinds, int_markov_orders
--
-- Channels further back than the order of the chain are 0: it does not remember them.

with

won as (

    select
        touches.kind,
        cast(int_conversions.person_id % 100 as integer) as person_group,
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
    group by 1, 2, 3, 4, 5, 6, 7, 8

),

ways as (

    select
        kinds,
        person_group,
        is_last,
        path,
        count(*) as journeys
    from int_lost_touches
    group by 1, 2, 3, 4

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
        ways.person_group,
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

together as (

    select
        kind,
        person_group,
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
        lost.person_group,
        false as is_won,
        lost.is_last,
        cast(lost.path & 4095 as integer) as channel_id,
        cast((lost.path >> 12) & 4095 as integer) as before_1,
        cast((lost.path >> 24) & 4095 as integer) as before_2,
        cast((lost.path >> 36) & 4095 as integer) as before_3,
        cast(lost.path >> 48 as integer) as before_4,
        lost.journeys
    from lost
    inner join int_kinds on (lost.kinds & int_kinds.bit) > 0

),

final as (

    select
        together.kind,
        together.person_group,
        int_markov_orders.markov_order,
        together.is_won,
        together.is_last,
        together.channel_id,
        together.before_1,
        case when int_markov_orders.markov_order >= 2 then together.before_2 else 0 end as before_2,
        case when int_markov_orders.markov_order >= 3 then together.before_3 else 0 end as before_3,
        case when int_markov_orders.markov_order >= 4 then together.before_4 else 0 end as before_4,
        cast(sum(together.journeys) as bigint) as journeys
    from together
    inner join int_markov_orders on together.kind = int_markov_orders.kind
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10

)

select * from final
