-- The last week that each kind of conversion, and spend, is reported to its end.
-- grain: kind
-- inputs: int_conversions, int_costs, int_reach
--
-- A source that ends earlier than others has not shown that nothing happened since, and its last
-- week is hardly ever a whole one: it ends a week earlier. What is dated in days to come (a slip in
-- a year, a payment that is planned) shows nothing of the days before. New patients are among the
-- visits that are kept: where these are told, it is known that nobody was new. Spend that is silent
-- for more than four weeks has been paused, as no source is so late: that nothing was spent is
-- known (as `PAUSE` of attribution/cohort_queries.py). Where small cells are folded,
-- `reported_until` says the same of blocks of weeks (attribution/queries.py).

with

seen as (

    select
        int_conversions.kind,
        max(int_conversions.week) as week
    from int_conversions
    cross join int_reach
    where int_conversions.week <= int_reach.last_day
    group by 1

),

shown as (

    select
        kind,
        week
    from seen
    union all
    select
        firsts.kind,
        kept.week
    from seen as firsts
    cross join seen as kept
    where firsts.kind = 'new_patient' and kept.kind = 'kept'

),

newest as (

    select
        kind,
        max(week) as week
    from shown
    group by 1
    union all
    select
        'spend' as kind,
        cast(date_trunc('week', max(day)) as date) as week
    from int_costs

),

final as (

    select
        newest.kind,
        case
            when newest.week >= int_reach.last_week then int_reach.last_week
            when newest.kind = 'spend' and newest.week < int_reach.last_week - interval '28' day
                then int_reach.last_week
            else cast(newest.week - interval '7' day as date)
        end as last_week
    from newest
    cross join int_reach
    where newest.week is not null

)

select * from final
