-- What a message adds to the chance of a kept visit, by channel and months of silence.
-- grain: channel, months_silent
-- inputs: reactivation
--
-- Solved by `attribution/models/persuading.py`, from
-- campaigns with a holdout that are old enough to have worked. `lift` is the difference of the
-- kept rates of treated and held-out people, drawn towards what other months of silence and
-- channels show as far as chance explains the difference; `low` and `high` hold 95%.

with

newest as (

    select max(cohort_month) as last_month
    from reactivation

),

arms as (

    select
        reactivation.channel,
        reactivation.campaign,
        reactivation.months_silent,
        case when reactivation.arm = 'treated' then 1 else 0 end as is_treated,
        case when reactivation.arm = 'holdout' then 1 else 0 end as is_held_out,
        reactivation.silent,
        reactivation.kept
    from reactivation
    cross join newest
    where
        reactivation.arm in ('treated', 'holdout')
        and reactivation.cohort_month + interval '4' month <= newest.last_month

),

final as (

    select
        channel,
        campaign,
        months_silent,
        cast(sum(is_treated * silent) as bigint) as treated,
        cast(sum(is_treated * kept) as bigint) as treated_kept,
        cast(sum(is_held_out * silent) as bigint) as held_out,
        cast(sum(is_held_out * kept) as bigint) as held_out_kept
    from arms
    group by 1, 2, 3

)

select * from final
order by channel, campaign, months_silent
