-- What share of conversions would be lost if each channel led to nothing, with 90% intervals.
-- grain: kind, channel
-- inputs: int_markov, int_channel_map, int_markov_orders
--
-- `markov_order` is how many channels back the chain remembers.

with

channels as (

    select distinct
        channel_id,
        channel
    from int_channel_map

),

final as (

    select
        int_markov.kind,
        channels.channel,
        int_markov_orders.markov_order,
        int_markov.weight as removal_effect,
        int_markov.low,
        int_markov.high
    from int_markov
    inner join channels on int_markov.channel_id = channels.channel_id
    inner join int_markov_orders on int_markov.kind = int_markov_orders.kind
    where int_markov.person_group = -1

)

select * from final
order by kind, channel
