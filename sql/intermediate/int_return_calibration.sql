-- Whether as many silent people returned as was expected, by tenths.
-- grain: decile
-- inputs: int_return_chances
-- beside: int_return_cells
--
-- SQL counts, `attribution/models/returning.py` solves.

with

final as (

    select
        in_step,
        visits,
        age_band,
        service_line,
        chance
    from int_return_chances
    where basis = 'after'

)

select * from final
order by in_step, visits, age_band, service_line
