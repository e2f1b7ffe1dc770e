-- When each patient was last seen in each service line, and what the lapse rules make of it.
-- grain: person_id, service_line
-- inputs: int_visits, int_people, int_reach, stg_appointment, stg_encounter, stg_care_code,
--   int_consent, lapse_rules, setting_open_channel, setting_report
--
-- As of the last day that the data reach. `state` is active, due from the interval on, overdue
-- from half the way to lapsed on, then lapsed and lost; who has a visit of the line ahead is
-- active; `no recall` is a line without a usual interval. There `is_open_loop` says that care was
-- begun and not gone on with: no procedure of the line since a year before the last visit, in a
-- line whose record tells procedures at all. `excluded` is why nobody is to be called back:
-- deceased, or opted out: they refused marketing by every channel that they said anything of, also
-- by STOP, and by every channel that is open until it is refused. So nobody is excluded to whom a
-- recall may still be sent, nor who never refused. An age is known by the year of birth; who has
-- none is taken for 40.

with

rules as (

    select
        replace(lower(trim(service_line)), ' ', '_') as service_line,
        coalesce(cast(nullif(trim(age_min), '') as integer), 0) as age_min,
        coalesce(cast(nullif(trim(age_max), '') as integer), 999) as age_max,
        cast(nullif(trim(interval_days), '') as integer) as interval_days,
        cast(nullif(trim(lapsed_days), '') as integer) as lapsed_days,
        cast(trim(lost_days) as integer) as lost_days,
        cast(nullif(trim(open_loop_days), '') as integer) as open_loop_days
    from lapse_rules

),

seen as (

    select
        int_visits.person_id,
        int_visits.service_line,
        max(cast(int_visits.visited_at at time zone setting_report.timezone as date)) as seen_on
    from int_visits
    cross join setting_report
    where int_visits.person_id is not null
    group by 1, 2

),

aged as (

    select
        seen.person_id,
        seen.service_line,
        seen.seen_on,
        date_diff('day', seen.seen_on, int_reach.last_day) as days_silent,
        coalesce(
            greatest(
                cast(extract(year from int_reach.last_day) as integer) - int_people.birth_year, 0
            ),
            40
        ) as age,
        coalesce(int_people.deceased, false) as deceased
    from seen
    cross join int_reach
    left join int_people on seen.person_id = int_people.person_id

),

ages as (

    select distinct
        service_line,
        age
    from aged

),

ranked as (

    select
        ages.service_line,
        ages.age,
        rules.interval_days,
        rules.lapsed_days,
        rules.lost_days,
        rules.open_loop_days,
        row_number() over (
            partition by ages.service_line, ages.age
            order by case when rules.service_line = '' then 1 else 0 end, rules.age_min
        ) as place
    from ages
    inner join rules
        on
            rules.service_line in ('', replace(lower(ages.service_line), ' ', '_'))
            and ages.age between rules.age_min and rules.age_max

),

ahead as (

    select distinct
        stg_appointment.person_id,
        stg_appointment.service_line
    from stg_appointment
    cross join setting_report
    cross join int_reach
    where
        stg_appointment.status = 'booked'
        and cast(stg_appointment.starts_at at time zone setting_report.timezone as date)
        > int_reach.last_day

),

coded as (

    select
        person_id,
        service_line,
        starts_at
    from stg_encounter
    where procedure_groups <> ''
    union all
    select
        stg_encounter.person_id,
        stg_encounter.service_line,
        stg_encounter.starts_at
    from stg_care_code
    inner join stg_encounter
        on
            stg_care_code.source = stg_encounter.source
            and stg_care_code.account = stg_encounter.account
            and stg_care_code.encounter_id = stg_encounter.encounter_id
    where stg_care_code.kind = 'procedure'

),

treated as (

    select
        coded.person_id,
        coded.service_line,
        max(cast(coded.starts_at at time zone setting_report.timezone as date)) as treated_on
    from coded
    cross join setting_report
    group by 1, 2

),

treating as (

    select distinct service_line
    from coded

),

open_channels as (

    select count(*) as channels
    from setting_open_channel

),

refused as (

    select int_consent.person_id
    from int_consent
    cross join open_channels
    left join setting_open_channel on int_consent.channel = setting_open_channel.channel
    group by int_consent.person_id
    having
        max(case when int_consent.allowed then 1 else 0 end) = 0
        and count(setting_open_channel.channel) = max(open_channels.channels)

),

final as (

    select
        aged.person_id,
        aged.service_line,
        aged.days_silent,
        ranked.interval_days,
        ranked.lapsed_days,
        ranked.lost_days,
        case
            when ranked.interval_days is null then 'no recall'
            when ahead.person_id is not null or aged.days_silent < ranked.interval_days
                then 'active'
            when 2 * aged.days_silent < ranked.interval_days + ranked.lapsed_days then 'due'
            when aged.days_silent < ranked.lapsed_days then 'overdue'
            when aged.days_silent < ranked.lost_days then 'lapsed'
            else 'lost'
        end as state,
        ahead.person_id is null
        and treating.service_line is not null
        and coalesce(aged.days_silent >= ranked.open_loop_days, false)
        and aged.days_silent < ranked.lost_days
        and (
            treated.treated_on is null
            or date_diff('day', treated.treated_on, aged.seen_on) > 365
        ) as is_open_loop,
        case
            when aged.deceased then 'deceased'
            when refused.person_id is not null then 'opted out'
            else ''
        end as excluded
    from aged
    inner join ranked
        on
            aged.service_line = ranked.service_line
            and aged.age = ranked.age
            and ranked.place = 1
    left join ahead
        on aged.person_id = ahead.person_id and aged.service_line = ahead.service_line
    left join treated
        on aged.person_id = treated.person_id and aged.service_line = treated.service_line
    left join treating on aged.service_line = treating.service_line
    left join refused on aged.person_id = refused.person_id

)

select * from final
