-- Whether as many silent people returned as was expected, by tenths.
-- grain: decile
-- inputs: int_return_calibration
--
-- Of people who were silent 180 days before the record is complete: what was expected from what was
-- known then (`predicted`), and who came unasked (`observed`, with its 95% interval). Tenth 10 was
-- the likeliest to return.

with

final as (

    select
        decile,
        people,
        predicted,
        observed,
        low,
        high
    from int_return_calibration

)

select * from final
order by decile
