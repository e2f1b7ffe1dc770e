-- The chance that silent people book again unasked within six months.
-- grain: basis, in_step, visits, age_band, service_line
-- inputs: int_return_cells
--
-- SQL counts, `attribution/models/returning.py` solves.
-- `basis` is `today` for those silent today, learned from all that is
-- known, and `after` for those silent 180 days before `known_at`, learned from what was known then.
-- `value_micros` is what somebody of that line who returns brings within 180 days, told from
-- returns whose 180 days are over.

with

final as (

    select
        basis,
        in_step,
        out_step,
        arm,
        returned,
        is_ripe,
        visits,
        age_band,
        service_line,
        people,
        value_micros
    from int_return_cells

)

select * from final
order by basis, in_step, out_step, arm, returned, is_ripe, visits, age_band, service_line
