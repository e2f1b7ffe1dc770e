-- How long converted journeys took, in days and in touches: percentiles for each quarter.
-- grain: kind, service_line, quarter, measure
-- inputs: int_won_paths
--
-- Days run from the first touch to the conversion. Service lines with fewer than eleven people
-- in a quarter are 'other' together; of fewer than eleven even then there are no percentiles.
-- `short_journeys` counts those of one touch, or within a day.

with

converted as (

    select
        kind,
        service_line,
        quarter,
        journeys,
        touches,
        days,
        who
    from int_won_paths

),

persons as (

    select
        kind,
        service_line,
        quarter,
        who
    from converted
    group by 1, 2, 3, 4

),

cells as (

    select
        kind,
        service_line,
        quarter,
        case when count(*) >= 11 then service_line else 'other' end as shown_as
    from persons
    group by 1, 2, 3

),

-- Who converted in several small service lines is still one.
others as (

    select
        persons.kind,
        cells.shown_as as service_line,
        persons.quarter,
        count(distinct persons.who) as people
    from persons
    inner join cells
        on
            persons.kind = cells.kind
            and persons.service_line = cells.service_line
            and persons.quarter = cells.quarter
    where cells.shown_as = 'other'
    group by 1, 2, 3

),

measured as (

    select
        kind,
        service_line,
        quarter,
        'days' as measure,
        journeys,
        days as amount
    from converted
    union all
    select
        kind,
        service_line,
        quarter,
        'touches' as measure,
        journeys,
        cast(touches as double) as amount
    from converted

),

placed as (

    select
        measured.kind,
        cells.shown_as as service_line,
        measured.quarter,
        measured.measure,
        measured.journeys,
        measured.amount,
        row_number() over (
            partition by measured.kind, cells.shown_as, measured.quarter, measured.measure
            order by measured.amount
        ) - 1 as place,
        count(*) over (
            partition by measured.kind, cells.shown_as, measured.quarter, measured.measure
        ) - 1 as last_place
    from measured
    inner join cells
        on
            measured.kind = cells.kind
            and measured.service_line = cells.service_line
            and measured.quarter = cells.quarter

),

-- A percentile lies at a place or between two, each of which counts the more the nearer it is.
-- (DuckDB's own percentiles hold every amount in memory that its limit does not cover.)
taken as (

    select
        kind,
        service_line,
        quarter,
        measure,
        cast(sum(journeys) as bigint) as journeys,
        cast(sum(case when amount <= 1 then journeys else 0 end) as bigint) as short_journeys,
        sum(amount * greatest(100 - abs(100 * place - 10 * last_place), 0)) / 100 as p10,
        sum(amount * greatest(100 - abs(100 * place - 25 * last_place), 0)) / 100 as p25,
        sum(amount * greatest(100 - abs(100 * place - 50 * last_place), 0)) / 100 as p50,
        sum(amount * greatest(100 - abs(100 * place - 75 * last_place), 0)) / 100 as p75,
        sum(amount * greatest(100 - abs(100 * place - 90 * last_place), 0)) / 100 as p90
    from placed
    group by 1, 2, 3, 4

),

final as (

    select
        taken.kind,
        taken.service_line,
        taken.quarter,
        taken.measure,
        taken.journeys,
        taken.short_journeys,
        case when coalesce(others.people, 11) >= 11 then taken.p10 end as p10,
        case when coalesce(others.people, 11) >= 11 then taken.p25 end as p25,
        case when coalesce(others.people, 11) >= 11 then taken.p50 end as p50,
        case when coalesce(others.people, 11) >= 11 then taken.p75 end as p75,
        case when coalesce(others.people, 11) >= 11 then taken.p90 end as p90
    from taken
    left join others
        on
            taken.kind = others.kind
            and taken.service_line = others.service_line
            and taken.quarter = others.quarter

)

select * from final
order by kind, service_line, quarter, measure
