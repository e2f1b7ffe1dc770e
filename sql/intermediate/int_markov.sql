-- The removal effect of each channel in the Markov chain, and what each group of people changes.
-- grain: kind, channel_id, person_group
-- inputs: int_group_states
--
-- The states below are solved exactly in `attribution/models/learned.py`; its answer is the table.
-- Group -1 is everybody: `weight` is the removal effect, `low` and `high` hold it at 90%. For
-- groups 0 to 99, `log_change` is by what its logarithm would differ without these people.

with

final as (

    select
        kind,
        person_group,
        markov_order,
        is_won,
        is_last,
        channel_id,
        before_1,
        before_2,
        before_3,
        before_4,
        journeys
    from int_group_states

)

select * from final
