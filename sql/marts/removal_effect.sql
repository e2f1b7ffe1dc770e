-- What share of conversions would be lost if each channel led to nothing.
-- grain: kind, channel
-- inputs: int_learned_weights

with

final as (

    select
        kind,
        channel,
        weight as removal_effect
    from int_learned_weights
    where model = 'markov'

)

select * from final
order by kind, channel
