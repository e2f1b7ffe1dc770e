-- Kept visits by condition, place and week, beside the week's pollen and air quality.
-- grain: condition, service_line, location, week
-- inputs: int_care
--
-- A condition that fewer than eleven people were ever seen for is `other`, one that no visit names
-- ''. `pollen` and `air` are the place's means of the week, null where nothing was measured.

with

common as (

    select condition
    from int_care
    where condition <> ''
    group by condition
    having count(distinct person_id) >= 11

),

final as (

    select
        case
            when int_care.condition = '' then ''
            else coalesce(common.condition, 'other')
        end as condition,
        int_care.service_line,
        int_care.location,
        int_care.week,
        count(*) as visits,
        count(distinct int_care.person_id) as people,
        max(int_care.pollen) as pollen,
        max(int_care.air) as air
    from int_care
    left join common on int_care.condition = common.condition
    group by 1, 2, 3, 4

)

select * from final
order by condition, service_line, location, week
