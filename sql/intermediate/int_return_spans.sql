-- How long people stayed silent after a visit, until they booked the next one or were looked at.
-- grain: person_id, visited_at, entered_at
-- inputs: int_silences, int_people, int_reach, int_reactivation_people, int_payments,
--   stg_appointment, setting_report
--
-- A stretch of silence is at risk of ending from `entered_at` to `left_at`: it begins at the visit
-- and ends at the booking of the next kept visit (`returned`) or at `known_at`, 60 days before the
-- last day: what was booked up to then has had the time to be kept. Only the last two years count:
-- habits change, and records of years ago often hold only those who came again. The 90 days after
-- a reactivation flow chose somebody are a part of their own, whose `arm` says whether they were
-- written to (`treated`; `untested` where the flow had held nobody out yet) or held out; of any
-- other part it is `none`. `is_silent`: nothing is booked by the last day. `visits` counts kept
-- visits up to the stretch, `value_micros` is what was collected in the 180 days from the return's
-- booking, in the report's currency. Who is recorded as deceased has no row: that they stay away
-- says nothing of the living.

with

days as (

    select
        last_day + interval '1' day as last_at,
        last_day - interval '59' day as known_at,
        last_day - interval '729' day as first_at
    from int_reach

),

edges as (

    select
        cast(days.last_at as timestamp) at time zone setting_report.timezone as last_at,
        cast(days.known_at as timestamp) at time zone setting_report.timezone as known_at,
        cast(days.first_at as timestamp) at time zone setting_report.timezone as first_at,
        setting_report.currency
    from days
    cross join setting_report

),

bookings as (

    select
        person_id,
        starts_at,
        min(booked_at) as booked_at
    from stg_appointment
    where person_id is not null and is_booked
    group by 1, 2

),

ahead as (

    select distinct stg_appointment.person_id
    from stg_appointment
    cross join edges
    where
        stg_appointment.status = 'booked'
        and stg_appointment.starts_at >= edges.last_at
        -- Where nobody tells when it was booked, its start stands there.
        and (
            stg_appointment.booked_at < edges.last_at
            or stg_appointment.booked_at = stg_appointment.starts_at
        )

),

counted as (

    select
        person_id,
        visited_at,
        next_at,
        service_line,
        location,
        row_number() over (partition by person_id order by visited_at, next_at) as visits
    from int_silences
    -- Of two visits at one instant the silence after the last one counts.
    qualify row_number() over (partition by person_id, visited_at order by visit_id desc) = 1

),

stretches as (

    select
        counted.person_id,
        counted.visited_at,
        counted.service_line,
        counted.location,
        counted.visits,
        counted.next_at,
        case
            when counted.next_at is not null
                then greatest(
                    counted.visited_at,
                    least(coalesce(bookings.booked_at, counted.next_at), counted.next_at)
                )
        end as back_at
    from counted
    left join bookings
        on counted.person_id = bookings.person_id and counted.next_at = bookings.starts_at

),

bounded as (

    select
        stretches.person_id,
        stretches.visited_at,
        greatest(stretches.visited_at, edges.first_at) as entered_at,
        coalesce(least(stretches.back_at, edges.known_at), edges.known_at) as ended_at,
        edges.known_at,
        edges.last_at
    from stretches
    cross join edges
    where
        stretches.visited_at < edges.last_at
        and coalesce(stretches.back_at, edges.last_at) >= edges.first_at

),

contacts as (

    select
        bounded.person_id,
        bounded.visited_at,
        case when flows.is_untested then 'untested' else flows.arm end as arm,
        flows.assigned_at,
        flows.assigned_at + interval '90' day as rested_at
    from bounded
    inner join int_reactivation_people as flows
        on
            bounded.person_id = flows.person_id
            and bounded.visited_at < flows.assigned_at
            and bounded.ended_at > flows.assigned_at
    where flows.arm <> 'none'

),

begun as (

    select
        person_id,
        visited_at,
        entered_at as from_at
    from bounded
    union
    select
        contacts.person_id,
        contacts.visited_at,
        contacts.assigned_at as from_at
    from contacts
    union
    select
        contacts.person_id,
        contacts.visited_at,
        contacts.rested_at as from_at
    from contacts

),

parts as (

    select
        begun.person_id,
        begun.visited_at,
        begun.from_at as entered_at,
        coalesce(
            lead(begun.from_at) over (
                partition by begun.person_id, begun.visited_at order by begun.from_at
            ),
            bounded.ended_at
        ) as left_at,
        bounded.known_at,
        bounded.last_at
    from begun
    inner join bounded
        on
            begun.person_id = bounded.person_id
            and begun.visited_at = bounded.visited_at
            and begun.from_at >= bounded.entered_at
    where begun.from_at < bounded.ended_at or begun.from_at = bounded.entered_at

),

seen as (

    select
        parts.person_id,
        parts.visited_at,
        parts.entered_at,
        parts.left_at,
        coalesce(max(contacts.arm), 'none') as arm,
        parts.known_at,
        parts.last_at
    from parts
    left join contacts
        on
            parts.person_id = contacts.person_id
            and parts.visited_at = contacts.visited_at
            and parts.entered_at >= contacts.assigned_at
            and parts.entered_at < contacts.rested_at
    group by 1, 2, 3, 4, 6, 7

),

paid as (

    select
        stretches.person_id,
        stretches.visited_at,
        cast(sum(int_payments.amount_micros) as bigint) as value_micros
    from stretches
    cross join edges
    inner join int_payments
        on
            stretches.person_id = int_payments.person_id
            and edges.currency = int_payments.currency
            and stretches.back_at <= int_payments.posted_at
            and stretches.back_at + interval '180' day > int_payments.posted_at
    group by 1, 2

),

people as (

    select
        seen.person_id,
        seen.visited_at,
        seen.entered_at,
        coalesce(int_people.deceased, false) as deceased,
        cast(extract(year from seen.visited_at) as integer) - int_people.birth_year as age
    from seen
    left join int_people on seen.person_id = int_people.person_id

),

final as (

    select
        seen.person_id,
        seen.visited_at,
        stretches.service_line,
        stretches.location,
        case
            when stretches.visits >= 8 then '8+'
            when stretches.visits >= 4 then '4-7'
            when stretches.visits >= 2 then '2-3'
            else '1'
        end as visits,
        case
            when people.age is null then 'unknown'
            when people.age < 18 then '0-17'
            when people.age < 30 then '18-29'
            when people.age < 45 then '30-44'
            when people.age < 65 then '45-64'
            when people.age < 80 then '65-79'
            else '80+'
        end as age_band,
        seen.entered_at,
        seen.left_at,
        seen.arm,
        stretches.back_at is not null
        and stretches.back_at <= seen.left_at
        and stretches.back_at < seen.known_at as returned,
        stretches.next_at is null and ahead.person_id is null as is_silent,
        seen.known_at,
        seen.last_at,
        coalesce(paid.value_micros, 0) as value_micros
    from seen
    inner join stretches
        on seen.person_id = stretches.person_id and seen.visited_at = stretches.visited_at
    inner join people
        on
            seen.person_id = people.person_id
            and seen.visited_at = people.visited_at
            and seen.entered_at = people.entered_at
    left join ahead on seen.person_id = ahead.person_id
    left join paid
        on seen.person_id = paid.person_id and seen.visited_at = paid.visited_at
    where not people.deceased

)

select * from final
