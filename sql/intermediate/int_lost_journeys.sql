-- Journeys that ended without a conversion: whose last touch nothing followed in the lookback.
-- grain: journey_id
-- inputs: stg_touchpoint, stg_call, stg_message, int_contact_touches, int_conversions,
--   setting_credit, setting_report, setting_uncounted
--
-- Each person has at most one for each kind: the one of the last touch. It reaches back as far
-- as if the last touch had converted, and, like any journey, not beyond the conversion before.
-- Who is a patient cannot become a new one, so has no lost journey of that kind. Its number is
-- below nought, so that it is none of a conversion.

with

touched as (

    select
        stg_touchpoint.person_id,
        stg_touchpoint.touched_at
    from stg_touchpoint
    left join setting_uncounted on stg_touchpoint.kind = setting_uncounted.kind
    where setting_uncounted.kind is null
    union all
    select
        person_id,
        started_at as touched_at
    from stg_call
    union all
    select
        person_id,
        touched_at
    from int_contact_touches
    union all
    select
        person_id,
        sent_at as touched_at
    from stg_message
    where was_sent and purpose = 'marketing'
    union all
    select
        person_id,
        clicked_at as touched_at
    from stg_message
    where was_sent and purpose = 'marketing' and clicked_at is not null

),

people as (

    select
        person_id,
        max(touched_at) as last_at
    from touched
    where person_id is not null
    group by person_id

),

moments as (

    select max(last_at) as happened_at
    from people
    union all
    select max(decided_at) as happened_at
    from int_conversions

),

reach as (

    select max(happened_at) as until_at
    from moments

),

converted as (

    select
        kind,
        person_id,
        max(decided_at) as converted_at
    from int_conversions
    where kind in ('lead', 'booked', 'new_patient') and person_id is not null
    group by kind, person_id

),

-- Instants are told in seconds: adding days to one asks the calendar, row by row.
ended as (

    select
        people.person_id,
        people.last_at,
        cast(people.last_at at time zone setting_report.timezone as date) as last_day,
        extract(epoch from people.last_at) as last_second,
        extract(epoch from reach.until_at) as until_second
    from people
    cross join reach
    cross join setting_report

),

final as (

    select
        -4 * ended.person_id - case setting_credit.kind
            when 'lead' then 1
            when 'booked' then 2
            else 3
        end as journey_id,
        setting_credit.kind,
        ended.person_id,
        ended.last_second - setting_credit.lookback_days * 86400 as opens_second,
        extract(epoch from converted.converted_at) as closed_second,
        ended.last_day + cast(setting_credit.lookback_days as integer) as ended_on
    from ended
    inner join setting_credit
        on
            setting_credit.kind in ('lead', 'booked', 'new_patient')
            and ended.last_second + setting_credit.lookback_days * 86400 <= ended.until_second
    left join converted
        on
            ended.person_id = converted.person_id
            and setting_credit.kind = converted.kind
    where
        converted.converted_at is null
        or (
            ended.last_at > converted.converted_at
            and setting_credit.kind <> 'new_patient'
        )

)

select * from final
