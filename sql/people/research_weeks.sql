-- Kept visits and people of each week or four weeks, beside the time's pollen and air quality.
-- grain: kind, name, location, weeks, begins
-- inputs: int_care, setting_timeline
--
-- `kind` is all, service_line or condition (those of eleven people or more) and `name` which one;
-- `location` '' is all places together; `begins` is the Monday of a week, or of a block of four
-- weeks counted from 3 January 2000. `people` are counted once in each row. `pollen` and `air` are
-- means of the measured places and weeks, null where nothing was measured. Weeks of which nothing
-- was measured are left out. Empty where no timelines are kept, as `research_people` is.

with

measured as (

    select
        int_care.person_id,
        int_care.service_line,
        int_care.condition,
        int_care.location,
        int_care.week,
        int_care.week
        - cast(mod(date_diff('day', date '2000-01-03', int_care.week), 28) as integer)
            as block
    from int_care
    where int_care.pollen is not null or int_care.air is not null

),

common as (

    select condition
    from measured
    where condition <> ''
    group by condition
    having count(distinct person_id) >= 11

),

named as (

    select
        person_id,
        location,
        week,
        block,
        'all' as kind,
        '' as name
    from measured
    union all
    select
        person_id,
        location,
        week,
        block,
        'service_line' as kind,
        service_line as name
    from measured
    union all
    select
        measured.person_id,
        measured.location,
        measured.week,
        measured.block,
        'condition' as kind,
        measured.condition as name
    from measured
    inner join common on measured.condition = common.condition

),

placed as (

    select
        person_id,
        kind,
        name,
        location,
        week,
        block
    from named
    union all
    select
        person_id,
        kind,
        name,
        '' as location,
        week,
        block
    from named

),

timed as (

    select
        person_id,
        kind,
        name,
        location,
        1 as weeks,
        week as begins
    from placed
    union all
    select
        person_id,
        kind,
        name,
        location,
        4 as weeks,
        cast(block as date) as begins
    from placed

),

counted as (

    select
        kind,
        name,
        location,
        weeks,
        begins,
        count(*) as visits,
        count(distinct person_id) as people
    from timed
    group by kind, name, location, weeks, begins

),

place_weeks as (

    select
        location,
        week,
        week
        - cast(mod(date_diff('day', date '2000-01-03', week), 28) as integer) as block,
        max(cast(round(10 * pollen) as bigint)) as pollen_tenths,
        max(cast(round(10 * air) as bigint)) as air_tenths
    from int_care
    where pollen is not null or air is not null
    group by location, week

),

environment as (

    select
        location,
        1 as weeks,
        week as begins,
        pollen_tenths,
        air_tenths
    from place_weeks
    union all
    select
        '' as location,
        1 as weeks,
        week as begins,
        pollen_tenths,
        air_tenths
    from place_weeks
    union all
    select
        location,
        4 as weeks,
        cast(block as date) as begins,
        pollen_tenths,
        air_tenths
    from place_weeks
    union all
    select
        '' as location,
        4 as weeks,
        cast(block as date) as begins,
        pollen_tenths,
        air_tenths
    from place_weeks

),

exposed as (

    select
        location,
        weeks,
        begins,
        cast(sum(pollen_tenths) as double) / 10.0 / count(pollen_tenths) as pollen,
        cast(sum(air_tenths) as double) / 10.0 / count(air_tenths) as air
    from environment
    group by location, weeks, begins

),

final as (

    select
        counted.kind,
        counted.name,
        counted.location,
        counted.weeks,
        counted.begins,
        counted.visits,
        counted.people,
        exposed.pollen,
        exposed.air
    from counted
    inner join exposed
        on
            counted.location = exposed.location
            and counted.weeks = exposed.weeks
            and counted.begins = exposed.begins
    where (select count(*) from setting_timeline) > 0

)

select * from final
order by kind, name, location, weeks, begins
