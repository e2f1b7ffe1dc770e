-- Stretches of silence counted by what is known of them, for four questions about returning.
-- grain: basis, in_month, out_month, returned, visits, age_band, service_line
-- inputs: int_return_spans
--
-- Months are of 30 days. Of `all` stretches, of those `before` a day 180 days ago, as they were
-- seen then, and from that day on (`after`): silent for `in_month` months when the look begins and
-- for `out_month` when it ends (of `after`, months since that day). Of `today`: silent today.
-- What is learned from is the year before: a whole round of seasons, and no older habits.

with

moments as (

    select
        person_id,
        visited_at,
        service_line,
        visits,
        age_band,
        entered_at,
        left_at,
        returned,
        is_silent,
        value_micros,
        last_at,
        known_at - interval '365' day as learned_from,
        known_at - interval '180' day as then_at,
        known_at - interval '545' day as learned_before
    from int_return_spans

),

looks as (

    select
        'all' as basis,
        person_id,
        visited_at,
        greatest(entered_at, learned_from) as from_at,
        left_at as to_at,
        returned,
        visits,
        age_band,
        service_line,
        value_micros
    from moments
    where left_at >= greatest(entered_at, learned_from)
    union all
    select
        'before' as basis,
        person_id,
        visited_at,
        greatest(entered_at, learned_before) as from_at,
        least(left_at, then_at) as to_at,
        returned and left_at < then_at as returned,
        visits,
        age_band,
        service_line,
        case when returned and left_at < then_at then value_micros else 0 end as value_micros
    from moments
    where entered_at < then_at and left_at >= greatest(entered_at, learned_before)
    union all
    select
        'after' as basis,
        person_id,
        visited_at,
        then_at as from_at,
        left_at as to_at,
        returned,
        visits,
        age_band,
        service_line,
        value_micros
    from moments
    where entered_at <= then_at and left_at >= then_at
    union all
    select distinct
        'today' as basis,
        person_id,
        visited_at,
        last_at as from_at,
        last_at as to_at,
        false as returned,
        visits,
        age_band,
        service_line,
        0 as value_micros
    from moments
    where is_silent

),

aged as (

    select
        basis,
        cast(floor(date_diff('second', visited_at, from_at) / 2592000.0) as integer) as in_month,
        cast(
            floor(
                case
                    when basis = 'after' then date_diff('second', from_at, to_at)
                    else date_diff('second', visited_at, to_at)
                end / 2592000.0
            ) as integer
        ) as out_month,
        returned,
        visits,
        age_band,
        service_line,
        value_micros
    from looks

),

final as (

    select
        basis,
        least(in_month, 120) as in_month,
        least(out_month, 120) as out_month,
        returned,
        visits,
        age_band,
        service_line,
        count(*) as people,
        cast(sum(value_micros) as bigint) as value_micros
    from aged
    where basis in ('after', 'today') or out_month >= 6
    group by 1, 2, 3, 4, 5, 6, 7

)

select * from final
order by basis, in_month, out_month, returned, visits, age_band, service_line
