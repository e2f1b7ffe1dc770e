-- The order of the Markov chain of each kind of conversion: set, or the one that foretells best.
-- grain: kind
-- inputs: int_states, setting_model
--
-- The states below are weighed in `attribution/models/orders.py`; its answer is the table.

with

final as (

    select
        int_states.kind,
        int_states.is_won,
        int_states.is_last,
        int_states.channel_id,
        int_states.before_1,
        int_states.before_2,
        int_states.before_3,
        int_states.before_4,
        int_states.journeys,
        cast(setting_model.amount as integer) as set_order
    from int_states
    inner join setting_model
        on setting_model.model = 'markov' and setting_model.parameter = 'order'

)

select * from final
