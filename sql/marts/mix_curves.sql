-- A hundred draws of what each channel brings in a week, as a curve of what it is given.
-- grain: kind, channel, draw
-- inputs: int_mix_draws
--
-- A week's conversions at a steady spend are `top * spend / (spend + half)`, in money of reports;
-- of `collected` they are money too. Money is missing where a channel has none in that currency.

with

final as (

    select
        kind,
        channel,
        cast(draw as integer) as draw,
        top,
        half,
        brought,
        spend,
        today,
        least,
        most,
        known,
        cast(holdouts as integer) as holdouts,
        cast(lift_tests as integer) as lift_tests,
        cast(weeks as integer) as weeks
    from int_mix_draws

)

select * from final
order by kind, channel, draw
