-- A hundred draws of how much each channel brings, as multiples of what is estimated.
-- grain: kind, channel, draw
-- inputs: int_incremental_draws, int_incremental
--
-- The increment of any slice times `multiplier` is a draw of it; about the 5th and the 96th of a
-- hundred are a 90% interval. One draw number is one draw of all channels together, so of a slice's
-- baseline it is what they leave of the slice; the rows of `baseline` here are of all cells
-- together.

with

drawn as (

    select
        kind,
        channel,
        draw,
        cast(increment as decimal(38, 9)) as increment
    from int_incremental_draws

),

totals as (

    select
        kind,
        cast(sum(conversions) as decimal(38, 9)) as conversions
    from int_incremental
    group by 1

),

baseline as (

    select
        drawn.kind,
        'baseline' as channel,
        drawn.draw,
        totals.conversions - sum(drawn.increment) as increment
    from drawn
    inner join totals on drawn.kind = totals.kind
    group by drawn.kind, drawn.draw, totals.conversions

),

together as (

    select
        kind,
        channel,
        draw,
        increment
    from drawn
    union all
    select
        kind,
        channel,
        draw,
        increment
    from baseline

),

means as (

    select
        kind,
        channel,
        cast(sum(increment) as double) / count(*) as increment
    from together
    group by 1, 2

),

final as (

    select
        together.kind,
        together.channel,
        cast(together.draw as integer) as draw,
        case
            when means.increment > 0
                then round(cast(together.increment as double) / means.increment, 9)
            else 1
        end as multiplier
    from together
    inner join means
        on together.kind = means.kind and together.channel = means.channel

)

select * from final
order by kind, channel, draw
