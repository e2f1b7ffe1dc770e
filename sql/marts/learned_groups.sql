-- By what the learned models' weights would differ without each of a hundred groups of people.
-- grain: model, kind, channel, person_group
-- inputs: int_markov, int_shapley_rate, int_channel_map

with

channels as (

    select distinct
        channel_id,
        channel
    from int_channel_map

),

together as (

    select
        'markov' as model,
        kind,
        channel_id,
        person_group,
        log_change
    from int_markov
    where person_group >= 0
    union all
    select
        'shapley_rate' as model,
        kind,
        channel_id,
        person_group,
        log_change
    from int_shapley_rate
    where person_group >= 0

),

final as (

    select
        together.model,
        together.kind,
        channels.channel,
        together.person_group,
        together.log_change
    from together
    inner join channels on together.channel_id = channels.channel_id

)

select * from final
order by model, kind, channel, person_group
