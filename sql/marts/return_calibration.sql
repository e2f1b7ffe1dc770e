-- Whether as many silent people returned as was expected, by tenths.
-- grain: decile
-- inputs: int_return_chances
-- beside: int_return_cells
--
-- Solved by `attribution/models/returning.py`.
-- Of people who were silent 180 days before the record is complete: what was expected from what was
-- known then (`predicted`), and who came unasked (`observed`, with its 95% interval). Tenth 10 was
-- the likeliest to return.

with

final as (

    select
        in_month,
        visits,
        age_band,
        service_line,
        chance
    from int_return_chances
    where basis = 'after'

)

select * from final
order by in_month, visits, age_band, service_line
