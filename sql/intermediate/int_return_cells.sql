-- Stretches of silence counted by what is known of them, for four questions about returning.
-- grain: basis, in_step, out_step, arm, returned, is_ripe, visits, age_band, service_line
-- inputs: int_return_spans
--
-- Steps are of 15 days. Of `all` stretches, of those `before` a day 180 days ago, as they were
-- seen then, and from that day on (`after`): silent for `in_step` steps when the look begins and
-- for `out_step` when it ends (of `after`, steps since that day). Of `today`: silent today.
-- `arm` is what was done in the 90 days before: nothing (`none`), a message of a flow to bring back
-- (`treated`, or `untested` where the flow had held nobody out yet) or being held out of one; of
-- `after` only where they returned after such a message.
-- What is learned from is the year before: a whole round of seasons, and no older habits.
-- `is_ripe`: they returned so long ago that the 180 days that `value_micros` counts are over.

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
        arm,
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
        arm,
        returned,
        returned and left_at + interval '180' day <= last_at as is_ripe,
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
        arm,
        returned and left_at < then_at as returned,
        returned and left_at < then_at as is_ripe,
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
        max(left_at) as to_at,
        max(case when returned then arm else 'none' end) as arm,
        bool_or(returned) as returned,
        false as is_ripe,
        visits,
        age_band,
        service_line,
        max(value_micros) as value_micros
    from moments
    where left_at >= then_at
    group by person_id, visited_at, then_at, visits, age_band, service_line
    having min(entered_at) <= min(then_at)
    union all
    select distinct
        'today' as basis,
        person_id,
        visited_at,
        last_at as from_at,
        last_at as to_at,
        'none' as arm,
        false as returned,
        false as is_ripe,
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
        cast(floor(date_diff('second', visited_at, from_at) / 1296000.0) as integer) as in_step,
        cast(
            floor(
                case
                    when basis = 'after' then date_diff('second', from_at, to_at)
                    else date_diff('second', visited_at, to_at)
                end / 1296000.0
            ) as integer
        ) as out_step,
        arm,
        returned,
        is_ripe,
        visits,
        age_band,
        service_line,
        value_micros
    from looks

),

final as (

    select
        basis,
        least(in_step, 240) as in_step,
        least(out_step, 240) as out_step,
        arm,
        returned,
        is_ripe,
        visits,
        age_band,
        service_line,
        count(*) as people,
        cast(sum(value_micros) as bigint) as value_micros
    from aged
    where basis in ('after', 'today') or out_step >= 12
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9

)

select * from final
order by basis, in_step, out_step, arm, returned, is_ripe, visits, age_band, service_line
