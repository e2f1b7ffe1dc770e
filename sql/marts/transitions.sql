-- How often a journey went from one channel to the next, from its start to its end.
-- grain: kind, from_channel, to_channel
-- inputs: int_steps, int_paths, int_channel_map
--
-- Journeys begin at '(start)' and end at '(conversion)' or, given up, at '(null)'. A pair that was
-- seen fewer than eleven times goes by way of 'other', so what enters a channel leaves it.

with

channels as (

    select distinct
        channel_id,
        channel
    from int_channel_map

),

numbered as (

    select
        int_paths.kind,
        0 as from_id,
        int_paths.step_1 as to_id,
        sum(int_paths.journeys) as moves
    from int_paths
    group by 1, 2, 3
    union all
    select
        int_paths.kind,
        int_steps.channel_id as from_id,
        coalesce(
            int_steps.next_channel_id, case when int_paths.outcome = 'lost' then -1 else 0 end
        ) as to_id,
        sum(int_steps.journeys) as moves
    from int_steps
    inner join int_paths on int_steps.journey_id = int_paths.journey_id
    group by 1, 2, 3

),

named as (

    select
        numbered.kind,
        coalesce(departed.channel, '(start)') as from_channel,
        coalesce(
            arrived.channel, case when numbered.to_id = 0 then '(conversion)' else '(null)' end
        ) as to_channel,
        numbered.moves
    from numbered
    left join channels as departed on numbered.from_id = departed.channel_id
    left join channels as arrived on numbered.to_id = arrived.channel_id

),

folded as (

    select
        kind,
        from_channel,
        to_channel,
        moves
    from named
    where moves >= 11
    union all
    select
        kind,
        from_channel,
        'other' as to_channel,
        moves
    from named
    where moves < 11
    union all
    select
        kind,
        'other' as from_channel,
        to_channel,
        moves
    from named
    where moves < 11

),

final as (

    select
        kind,
        from_channel,
        to_channel,
        cast(sum(moves) as bigint) as moves
    from folded
    group by 1, 2, 3

)

select * from final
order by kind, from_channel, to_channel
