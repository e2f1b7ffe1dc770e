-- What each channel brought in the last year by the mix model, how sure that is, and from what.
-- grain: kind, channel
-- inputs: mix_curves
--
-- `low` and `high` hold nine draws of ten. `evidence` is `weeks`, `weeks and lift test`, `weeks and
-- holdout`, or `not identified`: the weeks told less than a fifth of what was unknown, so what is
-- believed of such channels stands there. Amounts of `collected` are money.

with

ranked as (

    select
        kind,
        channel,
        brought,
        row_number() over (partition by kind, channel order by brought, draw) as place
    from mix_curves

),

-- As in the mart `incremental`.
bounds as (

    select
        kind,
        channel,
        0.95 * min(case when place = 5 then brought end)
        + 0.05 * min(case when place = 6 then brought end) as low,
        0.05 * min(case when place = 95 then brought end)
        + 0.95 * min(case when place = 96 then brought end) as high
    from ranked
    group by 1, 2

),

means as (

    select
        kind,
        channel,
        cast(sum(cast(brought as decimal(38, 6))) as double) / count(*) as brought,
        min(spend) as spend,
        min(today) as today,
        min(least) as least,
        min(most) as most,
        min(known) as known,
        cast(min(lift_tests) as integer) as lift_tests,
        cast(min(holdouts) as integer) as holdouts,
        cast(min(weeks) as integer) as weeks
    from mix_curves
    group by 1, 2

),

final as (

    select
        means.kind,
        means.channel,
        round(means.brought, 6) as brought,
        round(bounds.low, 6) as low,
        round(bounds.high, 6) as high,
        means.spend,
        means.today,
        means.least,
        means.most,
        case
            when means.lift_tests > 0 then 'weeks and lift test'
            when means.holdouts > 0 then 'weeks and holdout'
            when means.known >= 0.2 then 'weeks'
            else 'not identified'
        end as evidence,
        means.known,
        means.lift_tests,
        means.holdouts,
        means.weeks
    from means
    inner join bounds on means.kind = bounds.kind and means.channel = bounds.channel

)

select * from final
order by kind, channel
