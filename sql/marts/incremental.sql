-- What each channel brought that would not have come without it, how sure that is, and from what.
-- grain: kind, channel
-- inputs: int_incremental, incremental_draws, int_incremental_draws, int_panel_media,
--   int_panel_journeys
--
-- `baseline` would have come anyway. `low` and `high` are the 90% interval of draws, as on pages.
-- `evidence` is what was heard: `panel` (places and weeks in which the channel pressed more or
-- less), `panel and holdout`, `panel and lift test`, `not identified` (what is believed of such
-- channels, or nothing, stands there), `inside baseline` (nothing says how hard the channel
-- pressed). `method` is `places and weeks`, `weeks` (one place) or `none` (too little to learn
-- from). `known` is the part of the prior's variance that is gone.

with

totals as (

    select
        kind,
        cast(sum(conversions) as decimal(38, 12)) as conversions
    from int_incremental
    group by 1

),

estimated as (

    select
        kind,
        channel,
        sum(conversions) as conversions,
        cast(sum(value_micros) as bigint) as value_micros
    from int_incremental
    group by 1, 2

),

ranked as (

    select
        kind,
        channel,
        multiplier,
        row_number() over (partition by kind, channel order by multiplier, draw) as place
    from incremental_draws

),

-- One draw more than these hundred, as the truth is one, lies between the ends in 90 of 100 cases
-- (`ends_of_draws` of attribution/models/estimate.py, which pages ask).
bounds as (

    select
        kind,
        channel,
        0.95 * min(case when place = 5 then multiplier end)
        + 0.05 * min(case when place = 6 then multiplier end) as low,
        0.05 * min(case when place = 95 then multiplier end)
        + 0.95 * min(case when place = 96 then multiplier end) as high
    from ranked
    group by 1, 2

),

fitted as (

    select distinct
        kind,
        channel,
        known,
        holdouts,
        lift_tests,
        places,
        weeks
    from int_incremental_draws

),

methods as (

    select
        kind,
        max(places) as places,
        max(weeks) as weeks
    from fitted
    group by 1

),

pressing as (

    select distinct channel
    from int_panel_media

),

named as (

    select
        kind,
        'baseline' as channel
    from totals
    union
    select
        totals.kind,
        pressing.channel
    from totals
    cross join pressing
    union
    select
        kind,
        channel
    from int_panel_journeys

),

final as (

    select
        named.kind,
        named.channel,
        cast(coalesce(estimated.conversions, 0) as double) as conversions,
        cast(coalesce(estimated.value_micros, 0) as bigint) as value_micros,
        round(cast(coalesce(estimated.conversions, 0) as double) * bounds.low, 6) as low,
        round(cast(coalesce(estimated.conversions, 0) as double) * bounds.high, 6) as high,
        case
            when totals.conversions > 0
                then round(
                    cast(coalesce(estimated.conversions, 0) as double)
                    / cast(totals.conversions as double), 9
                )
        end as share,
        case
            when named.channel = 'baseline' and methods.kind is not null then 'panel'
            when named.channel = 'baseline' then 'not identified'
            when pressing.channel is null then 'inside baseline'
            when fitted.lift_tests > 0 then 'panel and lift test'
            when fitted.holdouts > 0 then 'panel and holdout'
            when fitted.known >= 0.2 then 'panel'
            else 'not identified'
        end as evidence,
        case
            when methods.places > 1 then 'places and weeks'
            when methods.places = 1 then 'weeks'
            else 'none'
        end as method,
        cast(coalesce(methods.weeks, 0) as integer) as weeks,
        cast(coalesce(methods.places, 0) as integer) as places,
        fitted.known,
        cast(coalesce(fitted.lift_tests, 0) as integer) as lift_tests,
        cast(coalesce(fitted.holdouts, 0) as integer) as holdouts
    from named
    inner join totals on named.kind = totals.kind
    left join estimated
        on named.kind = estimated.kind and named.channel = estimated.channel
    left join bounds on named.kind = bounds.kind and named.channel = bounds.channel
    left join fitted on named.kind = fitted.kind and named.channel = fitted.channel
    left join methods on named.kind = methods.kind
    left join pressing on named.channel = pressing.channel

)

select * from final
order by kind, channel
