-- What each learned model learned that a touch of each channel weighs.
-- grain: model, kind, channel_id
-- inputs: int_markov, int_shapley_rate

with

final as (

    select
        'markov' as model,
        kind,
        channel_id,
        weight
    from int_markov
    where person_group = -1 and weight > 0
    union all
    select
        'shapley_rate' as model,
        kind,
        channel_id,
        weight
    from int_shapley_rate
    where person_group = -1 and weight > 0

)

select * from final
