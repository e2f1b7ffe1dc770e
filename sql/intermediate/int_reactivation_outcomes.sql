-- What became of everybody whom a reactivation flow treated, held out or left alone.
-- grain: person_id, flow, assigned_at
-- inputs: int_reactivation_people, int_conversions, int_payments, setting_report
--
-- Booked and kept: within 90 days of the assignment; retained: again within 180 days of that visit;
-- value: collected within 180 days, in the report's currency. Who keeps a visit has booked it.

with

booked as (

    select distinct
        people.person_id,
        people.flow,
        people.assigned_at
    from int_reactivation_people as people
    inner join int_conversions
        on
            people.person_id = int_conversions.person_id
            and int_conversions.kind = 'booked'
            and people.assigned_at < int_conversions.decided_at
            and people.assigned_at + interval '90' day >= int_conversions.decided_at

),

kept as (

    select
        people.person_id,
        people.flow,
        people.assigned_at,
        min(int_conversions.decided_at) as kept_at
    from int_reactivation_people as people
    inner join int_conversions
        on
            people.person_id = int_conversions.person_id
            and int_conversions.kind = 'kept'
            and people.assigned_at < int_conversions.decided_at
            and people.assigned_at + interval '90' day >= int_conversions.decided_at
    group by 1, 2, 3

),

retained as (

    select distinct
        kept.person_id,
        kept.flow,
        kept.assigned_at
    from kept
    inner join int_conversions
        on
            kept.person_id = int_conversions.person_id
            and int_conversions.kind = 'kept'
            and kept.kept_at < int_conversions.decided_at
            and kept.kept_at + interval '180' day >= int_conversions.decided_at

),

paid as (

    select
        people.person_id,
        people.flow,
        people.assigned_at,
        cast(sum(int_payments.amount_micros) as bigint) as value_micros
    from int_reactivation_people as people
    cross join setting_report
    inner join int_payments
        on
            people.person_id = int_payments.person_id
            and setting_report.currency = int_payments.currency
            and people.assigned_at < int_payments.posted_at
            and people.assigned_at + interval '180' day >= int_payments.posted_at
    group by 1, 2, 3

),

final as (

    select
        people.person_id,
        people.flow,
        people.assigned_at,
        people.visited_at,
        people.is_latest,
        people.cohort_month,
        people.campaign,
        people.channel,
        people.months_silent,
        people.service_line,
        people.location,
        people.arm,
        people.contacted,
        people.responded,
        case when booked.person_id is null and kept.person_id is null then 0 else 1 end as booked,
        case when kept.person_id is null then 0 else 1 end as kept,
        kept.kept_at,
        case when retained.person_id is null then 0 else 1 end as retained,
        coalesce(paid.value_micros, 0) as value_micros
    from int_reactivation_people as people
    left join booked
        on
            people.person_id = booked.person_id
            and people.flow = booked.flow
            and people.assigned_at = booked.assigned_at
    left join kept
        on
            people.person_id = kept.person_id
            and people.flow = kept.flow
            and people.assigned_at = kept.assigned_at
    left join retained
        on
            people.person_id = retained.person_id
            and people.flow = retained.flow
            and people.assigned_at = retained.assigned_at
    left join paid
        on
            people.person_id = paid.person_id
            and people.flow = paid.flow
            and people.assigned_at = paid.assigned_at

)

select * from final
