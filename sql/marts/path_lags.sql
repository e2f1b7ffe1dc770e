-- How long converted journeys took, in days and in touches: percentiles for each quarter.
-- grain: kind, service_line, quarter, measure
-- inputs: int_won_paths
--
-- Days run from the first touch to the conversion. Service lines with fewer than eleven journeys
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
        days
    from int_won_paths

),

cells as (

    select
        kind,
        service_line,
        quarter,
        case when sum(journeys) >= 11 then service_line else 'other' end as shown_as
    from converted
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

taken as (

    select
        measured.kind,
        cells.shown_as as service_line,
        measured.quarter,
        measured.measure,
        cast(sum(measured.journeys) as bigint) as journeys,
        cast(
            sum(case when measured.amount <= 1 then measured.journeys else 0 end) as bigint
        ) as short_journeys,
        percentile_cont(0.1) within group (order by measured.amount) as p10,
        percentile_cont(0.25) within group (order by measured.amount) as p25,
        percentile_cont(0.5) within group (order by measured.amount) as p50,
        percentile_cont(0.75) within group (order by measured.amount) as p75,
        percentile_cont(0.9) within group (order by measured.amount) as p90
    from measured
    inner join cells
        on
            measured.kind = cells.kind
            and measured.service_line = cells.service_line
            and measured.quarter = cells.quarter
    group by 1, 2, 3, 4

),

final as (

    select
        kind,
        service_line,
        quarter,
        measure,
        journeys,
        short_journeys,
        case when journeys >= 11 then p10 end as p10,
        case when journeys >= 11 then p25 end as p25,
        case when journeys >= 11 then p50 end as p50,
        case when journeys >= 11 then p75 end as p75,
        case when journeys >= 11 then p90 end as p90
    from taken

)

select * from final
order by kind, service_line, quarter, measure
