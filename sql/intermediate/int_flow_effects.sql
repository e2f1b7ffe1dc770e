-- What people did in the 90 days after a flow first meant them, by whether they were held out.
-- grain: flow, arm
-- inputs: int_assignments, stg_message, int_visits, stg_appointment, stg_payment, int_reach,
--   setting_report
--
-- Everybody counts in the arm of their first assignment, whether a message reached them or not, if
-- their 90 days are over by the last day of visits; `waiting` are those whose days are not. Left
-- out is who was treated before anybody was held out, and who was assigned before visits are known:
-- what a season or a gap in the data does would look like the flow's doing. `booked` and `returned`
-- are people with a booking, with a kept visit. `kept`, `cents` and the sums of squares and
-- products are sums over people, of the days after and (`before_`) of the year before: they are all
-- that a difference of two arms, adjusted for the year before, and its interval need. Money is in
-- hundredths of the report's currency, as in the results of outreach.

with

answers as (

    select
        flow,
        person_id,
        max(case when has_arrived then 1 else 0 end) as delivered,
        max(case when was_sent and has_responded then 1 else 0 end) as responded
    from stg_message
    where person_id is not null
    group by flow, person_id

),

people as (

    select
        assigned.flow,
        assigned.topic,
        assigned.purpose,
        assigned.person_id,
        assigned.arm,
        assigned.assigned_at,
        case
            when
                int_reach.last_visit_day
                >= cast(assigned.assigned_at at time zone setting_report.timezone as date)
                + interval '90' day
                then 1
            else 0
        end as is_over,
        case
            when answers.delivered = 1 and assigned.arm = 'treated' then 1
            else 0
        end as reached,
        case when assigned.arm = 'treated' then answers.responded else 0 end as responded
    from int_assignments as assigned
    cross join setting_report
    cross join int_reach
    inner join answers
        on assigned.flow = answers.flow and assigned.person_id = answers.person_id
    where assigned.flow <> '' and assigned.is_covered and not assigned.is_untested

),

visits as (

    select
        people.flow,
        people.person_id,
        cast(
            sum(case when int_visits.visited_at > people.assigned_at then 1 else 0 end) as bigint
        ) as kept,
        cast(
            sum(case when int_visits.visited_at <= people.assigned_at then 1 else 0 end) as bigint
        ) as before_kept
    from people
    inner join int_visits
        on
            people.person_id = int_visits.person_id
            and int_visits.visited_at > people.assigned_at - interval '365' day
            and int_visits.visited_at <= people.assigned_at + interval '90' day
    where people.is_over = 1
    group by people.flow, people.person_id

),

bookings as (

    select distinct
        people.flow,
        people.person_id
    from people
    inner join stg_appointment
        on
            people.person_id = stg_appointment.person_id
            and stg_appointment.is_booked
            and people.assigned_at < stg_appointment.booked_at
            and people.assigned_at + interval '90' day >= stg_appointment.booked_at
    where people.is_over = 1

),

payments as (

    select
        people.flow,
        people.person_id,
        cast(
            sum(
                case
                    when stg_payment.posted_at > people.assigned_at then stg_payment.amount_micros
                    else 0
                end
            ) / 10000 as bigint
        ) as cents,
        cast(
            sum(
                case
                    when stg_payment.posted_at <= people.assigned_at then stg_payment.amount_micros
                    else 0
                end
            ) / 10000 as bigint
        ) as before_cents
    from people
    cross join setting_report
    inner join stg_payment
        on
            people.person_id = stg_payment.person_id
            and setting_report.currency = stg_payment.currency
            and stg_payment.posted_at > people.assigned_at - interval '365' day
            and stg_payment.posted_at <= people.assigned_at + interval '90' day
    where people.is_over = 1
    group by people.flow, people.person_id

),

measured as (

    select
        people.flow,
        people.topic,
        people.purpose,
        people.arm,
        people.is_over,
        people.is_over * people.reached as reached,
        people.is_over * people.responded as responded,
        case when bookings.person_id is null then 0 else 1 end as booked,
        coalesce(visits.kept, 0) as kept,
        case when coalesce(visits.kept, 0) > 0 then 1 else 0 end as returned,
        coalesce(visits.before_kept, 0) as before_kept,
        coalesce(payments.cents, 0) as cents,
        coalesce(payments.before_cents, 0) as before_cents
    from people
    left join visits on people.flow = visits.flow and people.person_id = visits.person_id
    left join bookings on people.flow = bookings.flow and people.person_id = bookings.person_id
    left join payments on people.flow = payments.flow and people.person_id = payments.person_id

),

final as (

    select
        flow,
        arm,
        min(topic) as topic,
        min(purpose) as purpose,
        cast(sum(is_over) as bigint) as people,
        cast(sum(1 - is_over) as bigint) as waiting,
        cast(sum(reached) as bigint) as reached,
        cast(sum(responded) as bigint) as responded,
        cast(sum(booked) as bigint) as booked,
        cast(sum(returned) as bigint) as returned,
        cast(sum(kept) as bigint) as kept,
        cast(sum(kept * kept) as bigint) as kept_squared,
        cast(sum(before_kept) as bigint) as before_kept,
        cast(sum(before_kept * before_kept) as bigint) as before_kept_squared,
        cast(sum(kept * before_kept) as bigint) as kept_both,
        cast(sum(returned * before_kept) as bigint) as returned_both,
        cast(sum(booked * before_kept) as bigint) as booked_both,
        cast(sum(cents) as bigint) as cents,
        cast(sum(cast(cents as decimal(38, 0)) * cents) as double) as cents_squared,
        cast(sum(before_cents) as bigint) as before_cents,
        cast(
            sum(cast(before_cents as decimal(38, 0)) * before_cents) as double
        ) as before_cents_squared,
        cast(sum(cast(cents as decimal(38, 0)) * before_cents) as double) as cents_both
    from measured
    group by flow, arm

)

select * from final
