-- What the journeys of patients came to, by what they have in common.
-- grain: condition, service_line, lapse, age_band, location, response, zip3, months_silent
-- inputs: int_patients, int_conditions
--
-- `condition` '' is everybody, each patient once; who has several is in several. `missers` are who
-- missed any of `missed` appointments. They, `was_silent`, `came_back`, `answers`, `promoters`,
-- `detractors`, `touched` and `arrived` are people; all else is of visits, appointments, touches
-- and micros. `arrived` are those with a touch before their first visit, `days_to_visit`
-- the days between, all added up.

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

final as (

    select
        condition,
        service_line,
        lapse,
        age_band,
        location,
        response,
        zip3,
        months_silent,
        count(*) as people,
        cast(sum(visits) as bigint) as visits,
        cast(sum(shown) as bigint) as shown,
        cast(sum(missed) as bigint) as missed,
        cast(sum(missers) as bigint) as missers,
        cast(sum(value_micros) as bigint) as value_micros,
        cast(sum(was_silent) as bigint) as was_silent,
        cast(sum(came_back) as bigint) as came_back,
        cast(sum(answers) as bigint) as answers,
        cast(sum(promoters) as bigint) as promoters,
        cast(sum(detractors) as bigint) as detractors,
        cast(sum(case when touches > 0 then 1 else 0 end) as bigint) as touched,
        cast(sum(touches) as bigint) as touches,
        count(days_to_visit) as arrived,
        cast(coalesce(sum(days_to_visit), 0) as bigint) as days_to_visit
    from members
    group by 1, 2, 3, 4, 5, 6, 7, 8

)

select * from final
order by condition, service_line, lapse, age_band, location, response, zip3, months_silent
