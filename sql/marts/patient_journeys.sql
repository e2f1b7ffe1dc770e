-- By which channels and ways patients of a group came, and how long it took.
-- grain: condition, measure, service_line, lapse, age_band, location, response, item
-- inputs: int_patients, int_conditions
--
-- Each patient of a group is in one row of each measure: `first_channel` and `last_channel` of all
-- touches known, `days` from the first touch to the first kept visit, `way` to the latest booked
-- visit. `item` '' is not known. The twelve commonest ways that at least eleven patients went are
-- named, the rest are `other`. To stay small it has neither ZIP3 nor months of silence.

with

members as (

    select
        int_patients.*,
        '' as condition
    from int_patients
    union all
    select
        int_patients.*,
        int_conditions.condition
    from int_patients
    inner join int_conditions on int_patients.person_id = int_conditions.person_id

),

common as (

    select
        step_1,
        step_2,
        step_3,
        step_4,
        count(*) as people
    from int_patients
    where step_1 <> ''
    group by 1, 2, 3, 4
    having count(*) >= 11
    order by people desc, step_1 asc, step_2 asc, step_3 asc, step_4 asc
    limit 12

),

told as (

    select
        members.condition,
        members.service_line,
        members.location,
        members.age_band,
        members.lapse,
        members.response,
        members.first_channel,
        members.last_channel,
        case
            when members.days_to_visit is null then ''
            when members.days_to_visit < 8 then '0-7'
            when members.days_to_visit < 31 then '8-30'
            when members.days_to_visit < 91 then '31-90'
            when members.days_to_visit < 366 then '91-365'
            else '366+'
        end as days,
        case
            when members.step_1 = '' then ''
            when common.step_1 is null then 'other'
            else
                common.step_1
                || case when common.step_2 = '' then '' else ' > ' || common.step_2 end
                || case when common.step_3 = '' then '' else ' > ' || common.step_3 end
                || case when common.step_4 = '' then '' else ' > ' || common.step_4 end
        end as way
    from members
    left join common
        on
            members.step_1 = common.step_1
            and members.step_2 = common.step_2
            and members.step_3 = common.step_3
            and members.step_4 = common.step_4

),

items as (

    select
        *,
        'first_channel' as measure,
        first_channel as item
    from told
    union all
    select
        *,
        'last_channel' as measure,
        last_channel as item
    from told
    union all
    select
        *,
        'days' as measure,
        days as item
    from told
    union all
    select
        *,
        'way' as measure,
        way as item
    from told

),

final as (

    select
        condition,
        measure,
        service_line,
        lapse,
        age_band,
        location,
        response,
        item,
        count(*) as people
    from items
    group by 1, 2, 3, 4, 5, 6, 7, 8

)

select * from final
order by condition, measure, service_line, lapse, age_band, location, response, item
