-- How often a journey went from one channel to the next, from its start to its end.
-- grain: kind, from_channel, to_channel
-- inputs: int_states, int_channel_map
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

moves as (

    select
        kind,
        before_1 as from_id,
        channel_id as to_id,
        journeys
    from int_states
    where kind in ('lead', 'booked', 'new_patient')
    union all
    select
        kind,
        channel_id as from_id,
        case when is_won then 0 else -1 end as to_id,
        journeys
    from int_states
    where is_last and kind in ('lead', 'booked', 'new_patient')

),

numbered as (

    select
        kind,
        from_id,
        to_id,
        cast(sum(journeys) as bigint) as moves
    from moves
    group by kind, from_id, to_id

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
