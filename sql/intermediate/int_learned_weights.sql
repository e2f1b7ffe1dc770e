-- What each learned model learned that a touch of each channel weighs.
-- grain: model, kind, channel
-- inputs: int_transitions
--
-- The transitions below are solved exactly in `attribution/models/learned.py`; its answer is the
-- table. The weight under `markov` is the channel's removal effect.

with

final as (

    select
        kind,
        origin,
        target,
        journeys
    from int_transitions

)

select * from final
