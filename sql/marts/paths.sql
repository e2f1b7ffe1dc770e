-- The ways by which people came, or did not: each path of channels with its journeys.
-- grain: kind, service_line, quarter, outcome, step_1, step_2, step_3, step_4
-- inputs: int_won_paths, int_lost_paths, int_channel_map
--
-- A path that fewer than eleven people of a cell took keeps its first channel, with 'other' for
-- all that follow; where those are fewer than eleven too, it is 'other' altogether. So no row
-- singles a person out by the way they came. Of those who converted people are counted, however
-- often they did; each lost journey counts as a person. '' is no step.

with

taken as (

    select
        kind,
        service_line,
        quarter,
        'converted' as outcome,
        step_1,
        step_2,
        step_3,
        step_4,
        journeys,
        journeys * touches as touches,
        days
    from int_won_paths
    union all
    select
        kind,
        service_line,
        quarter,
        'lost' as outcome,
        step_1,
        step_2,
        step_3,
        step_4,
        journeys,
        touches,
        cast(null as double) as days
    from int_lost_paths

),

-- Whoever converted stands once in each path, and everybody who did not beside them.
takers as (

    select
        kind,
        service_line,
        quarter,
        step_1,
        step_2,
        step_3,
        step_4,
        who,
        1 as people
    from int_won_paths
    group by 1, 2, 3, 4, 5, 6, 7, 8
    union all
    select
        kind,
        service_line,
        quarter,
        step_1,
        step_2,
        step_3,
        step_4,
        cast(null as bigint) as who,
        journeys as people
    from int_lost_paths

),

cells as (

    select
        kind,
        service_line,
        quarter,
        step_1,
        step_2,
        step_3,
        step_4,
        sum(people) as people
    from takers
    group by 1, 2, 3, 4, 5, 6, 7

),

-- Who took several of the small paths that begin alike is still one.
beginners as (

    select
        takers.kind,
        takers.service_line,
        takers.quarter,
        takers.step_1,
        takers.who,
        case when takers.who is null then sum(takers.people) else 1 end as people
    from takers
    inner join cells
        on
            takers.kind = cells.kind
            and takers.service_line = cells.service_line
            and takers.quarter = cells.quarter
            and takers.step_1 = cells.step_1
            and takers.step_2 = cells.step_2
            and takers.step_3 = cells.step_3
            and takers.step_4 = cells.step_4
    where cells.people < 11
    group by 1, 2, 3, 4, 5

),

beginnings as (

    select
        kind,
        service_line,
        quarter,
        step_1,
        sum(people) as people
    from beginners
    group by 1, 2, 3, 4

),

channels as (

    select distinct
        channel_id,
        channel
    from int_channel_map

),

named as (

    select
        cells.kind,
        cells.service_line,
        cells.quarter,
        cells.step_1 as first_id,
        cells.step_2 as second_id,
        cells.step_3 as third_id,
        cells.step_4 as fourth_id,
        case
            when cells.people >= 11 or beginnings.people >= 11 then firsts.channel
            else 'other'
        end as step_1,
        case
            when cells.people >= 11 then coalesce(seconds.channel, '')
            when beginnings.people >= 11 then 'other'
            else ''
        end as step_2,
        case when cells.people >= 11 then coalesce(thirds.channel, '') else '' end as step_3,
        case when cells.people >= 11 then coalesce(fourths.channel, '') else '' end as step_4
    from cells
    inner join channels as firsts on cells.step_1 = firsts.channel_id
    left join channels as seconds on cells.step_2 = seconds.channel_id
    left join channels as thirds on cells.step_3 = thirds.channel_id
    left join channels as fourths on cells.step_4 = fourths.channel_id
    left join beginnings
        on
            cells.kind = beginnings.kind
            and cells.service_line = beginnings.service_line
            and cells.quarter = beginnings.quarter
            and cells.step_1 = beginnings.step_1

),

final as (

    select
        named.kind,
        named.service_line,
        named.quarter,
        taken.outcome,
        named.step_1,
        named.step_2,
        named.step_3,
        named.step_4,
        cast(sum(taken.journeys) as bigint) as journeys,
        cast(sum(taken.touches) as bigint) as touches,
        cast(
            percentile_cont(0.5) within group (order by taken.days) as double
        ) as median_days
    from taken
    inner join named
        on
            taken.kind = named.kind
            and taken.service_line = named.service_line
            and taken.quarter = named.quarter
            and taken.step_1 = named.first_id
            and taken.step_2 = named.second_id
            and taken.step_3 = named.third_id
            and taken.step_4 = named.fourth_id
    group by 1, 2, 3, 4, 5, 6, 7, 8

)

select * from final
order by kind, service_line, quarter, outcome, step_1, step_2, step_3, step_4
