-- What weekly numbers will come to, and how well that was foretold before:
--   `attribution/models/forecast_table.py`.
-- grain: metric, dimension, member, model, week
-- inputs: conversions, credit, spend, stg_appointment, int_visits, setting_report, int_reach,
--   int_reported
-- beside: promotions, capacity, planned_spend
--
-- SQL counts, Python solves, in worker processes of a refresh. Weeks begin with the first that
-- has spend, as on the pages. Every number is counted in the week in which it happened, so a week
-- that is reported to its end is final, and later ones are not told. Money is in micros of the
-- report's currency. By channel, conversions are those credited by the model that pages begin with.
-- Rows with `weeks_ahead` say what was booked for a week so long before it (26: or longer), also
-- for weeks to come, as it was known when the last week ended: all booked visits, and those of
-- people who would be new patients, as far as could be known when they booked.

with

reach as (

    select
        int_reach.last_week,
        coalesce((select min(spend.week) from spend), int_reach.first_week) as first_week
    from int_reach

),

dated as (

    select
        stg_appointment.person_id,
        stg_appointment.booked_at,
        stg_appointment.service_line,
        stg_appointment.location,
        setting_report.new_patient_days,
        cast(
            date_trunc(
                'week', cast(stg_appointment.booked_at at time zone setting_report.timezone as date)
            ) as date
        ) as booked_week,
        cast(
            date_trunc(
                'week', cast(stg_appointment.starts_at at time zone setting_report.timezone as date)
            ) as date
        ) as week
    from stg_appointment
    cross join setting_report
    where stg_appointment.is_booked

),

appointments as (

    select
        dated.person_id,
        dated.booked_at,
        dated.service_line,
        dated.location,
        dated.new_patient_days,
        dated.week,
        least(greatest(date_diff('day', dated.booked_week, dated.week) / 7, 0), 26) as weeks_ahead
    from dated
    cross join reach
    where
        dated.booked_week <= reach.last_week
        and dated.week >= reach.first_week
        and dated.week <= reach.last_week + interval '182' day

),

moments as (

    select
        person_id,
        booked_at as happened_at,
        cast(null as timestamp with time zone) as visited_at,
        service_line,
        location,
        new_patient_days,
        week,
        weeks_ahead
    from appointments
    where person_id is not null
    union all
    select
        person_id,
        visited_at as happened_at,
        visited_at,
        '' as service_line,
        '' as location,
        null as new_patient_days,
        null as week,
        null as weeks_ahead
    from int_visits
    where person_id is not null

),

seen as (

    select
        happened_at,
        service_line,
        location,
        new_patient_days,
        week,
        weeks_ahead,
        max(visited_at) over (partition by person_id order by happened_at) as seen_at
    from moments

),

ahead as (

    select
        'kept' as metric,
        service_line,
        location,
        week,
        weeks_ahead,
        count(*) as amount
    from appointments
    group by 2, 3, 4, 5
    union all
    select
        'new_patient' as metric,
        service_line,
        location,
        week,
        weeks_ahead,
        count(*) as amount
    from seen
    where
        week is not null
        and (
            seen_at is null
            or date_diff('second', seen_at, happened_at) >= new_patient_days * 86400
        )
    group by 2, 3, 4, 5

),

counted as (

    select
        conversions.kind as metric,
        conversions.service_line,
        conversions.location,
        conversions.week,
        cast(
            case
                when conversions.kind = 'collected' then conversions.value_micros
                else conversions.conversions
            end
            as decimal(38, 12)
        ) as amount
    from conversions
    cross join setting_report
    where conversions.kind <> 'collected' or conversions.currency = setting_report.currency
    union all
    select
        'spend' as metric,
        spend.service_line,
        spend.location,
        spend.week,
        cast(spend.spend_micros as decimal(38, 12)) as amount
    from spend
    inner join setting_report on spend.currency = setting_report.currency

),

amounts as (

    select
        metric,
        service_line,
        location,
        week,
        cast(null as bigint) as weeks_ahead,
        amount
    from counted
    union all
    select
        metric,
        service_line,
        location,
        week,
        cast(weeks_ahead as bigint) as weeks_ahead,
        cast(amount as decimal(38, 12)) as amount
    from ahead

),

dimensions as (

    select 'total' as dimension
    union all
    select 'service_line' as dimension
    union all
    select 'location' as dimension

),

parts as (

    select
        amounts.metric,
        dimensions.dimension,
        case dimensions.dimension
            when 'service_line' then amounts.service_line
            when 'location' then amounts.location
            else '(all)'
        end as member,
        amounts.week,
        amounts.weeks_ahead,
        amounts.amount
    from amounts
    cross join dimensions
    union all
    select
        'spend' as metric,
        'channel' as dimension,
        spend.channel as member,
        spend.week,
        cast(null as bigint) as weeks_ahead,
        cast(spend.spend_micros as decimal(38, 12)) as amount
    from spend
    inner join setting_report on spend.currency = setting_report.currency
    union all
    select
        credit.kind as metric,
        'channel' as dimension,
        credit.channel as member,
        credit.week,
        cast(null as bigint) as weeks_ahead,
        cast(
            case when credit.kind = 'collected' then credit.value_micros else credit.conversions end
            as decimal(38, 12)
        ) as amount
    from credit
    cross join setting_report
    where
        credit.model = 'position'
        and (credit.kind <> 'collected' or credit.currency = setting_report.currency)
    union all
    -- A number goes on to its last week, though nothing came in it.
    select
        kind as metric,
        'total' as dimension,
        '(all)' as member,
        last_week as week,
        cast(null as bigint) as weeks_ahead,
        cast(0 as decimal(38, 12)) as amount
    from int_reported

),

final as (

    select
        parts.metric,
        parts.dimension,
        parts.member,
        parts.week,
        parts.weeks_ahead,
        cast(sum(parts.amount) as double) as value
    from parts
    cross join reach
    left join int_reported on parts.metric = int_reported.kind
    where
        parts.weeks_ahead is not null
        or parts.week between reach.first_week and int_reported.last_week
    group by 1, 2, 3, 4, 5

)

select * from final
order by metric, dimension, member, week, weeks_ahead
