-- The Shapley value of each channel in the conversion-rate game, and what each group changes.
-- grain: kind, channel_id, person_group
-- inputs: int_group_sets
--
-- The sets below are solved in `attribution/models/learned.py`; its answer is the table, and as
-- that of `int_markov`. A channel that lowers the rate weighs nothing; the largest weighs 1.

with

final as (

    select
        kind,
        person_group,
        channel_set,
        won,
        lost
    from int_group_sets

)

select * from final
