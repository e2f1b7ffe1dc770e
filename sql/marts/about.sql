-- What the whole report is about: its currency, its time zone and the weeks it reaches over.
-- grain: key
-- inputs: setting_report, int_conversions, int_reach, int_visits
--
-- `last_week` is the last week that is complete: the data reach its Sunday. `visits_since` says
-- how far the record goes back: nobody can be told from a new patient before it plus the years
-- that make a patient new.

with

visits as (

    select
        count(distinct int_visits.person_id) as patients,
        cast(
            min(int_visits.visited_at) at time zone min(setting_report.timezone) as date
        ) as visits_since
    from int_visits
    cross join setting_report

),

people as (

    select count(distinct person_id) as people
    from int_conversions

),

final as (

    select
        'currency' as key,
        currency as value
    from setting_report
    union all
    select
        'timezone' as key,
        timezone as value
    from setting_report
    union all
    select
        'first_week' as key,
        cast(first_week as varchar) as value
    from int_reach
    union all
    select
        'last_week' as key,
        cast(last_week as varchar) as value
    from int_reach
    union all
    select
        'last_day' as key,
        cast(last_day as varchar) as value
    from int_reach
    union all
    select
        'people' as key,
        cast(people as varchar) as value
    from people
    union all
    select
        'patients' as key,
        cast(patients as varchar) as value
    from visits
    union all
    select
        'visits_since' as key,
        cast(visits_since as varchar) as value
    from visits

)

select * from final
order by key
