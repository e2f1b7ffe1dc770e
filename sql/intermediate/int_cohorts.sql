-- Each week's leads, bookings and visits, and how many weeks later they went on to the next stage.
-- grain: kind_from, kind_to, service_line, week, lag_weeks
-- inputs: int_conversions, int_payments, int_reach, int_reported, stg_appointment, setting_credit,
--   setting_report
--
-- A lead is followed by its person to the first booking, kept visit and visit as a new patient, a
-- booking to its own visit, and money to the visit it pays for and to the person's latest lead
-- before that visit. `arrived` counts what came so many weeks later, once for each lead or booking;
-- where money is what comes, it is micros of the report's currency. What comes after the window
-- is not counted: `lag_weeks` is at most `window_weeks`. `age_weeks` is for how many
-- weeks a cohort has been seen, below nought where the later stage is not reported that far.
-- Who cannot be identified cannot be followed. A cell of fewer than eleven leads, bookings or
-- visits is part of the service line 'other'. Where even that has fewer, the mart leaves it out.

with

-- One window for all service lines, which lean on one another: the longest of any.
lookbacks as (

    select
        kind,
        max(lookback_days) as lookback_days
    from setting_credit
    group by 1

),

pairs as (

    select
        froms.kind as kind_from,
        tos.kind as kind_to,
        case
            when tos.kind = 'collected' then 52
            when froms.kind = 'booked' then 26
            else cast(ceil(tos.lookback_days / 7.0) as integer)
        end as window_weeks,
        tos.lookback_days
    from lookbacks as froms
    cross join lookbacks as tos
    where
        (froms.kind = 'lead' and tos.kind in ('booked', 'kept', 'new_patient', 'collected'))
        or (froms.kind = 'booked' and tos.kind = 'kept')
        or (froms.kind = 'kept' and tos.kind = 'collected')

),

recent as (

    select
        int_conversions.conversion_id,
        int_conversions.kind,
        int_conversions.person_id,
        int_conversions.decided_at,
        int_conversions.service_line,
        int_conversions.week,
        int_conversions.conversions
    from int_conversions
    cross join int_reach
    where
        int_conversions.kind <> 'collected'
        and int_conversions.week > int_reach.last_week - interval '156' week

),

leads as (

    select
        conversion_id,
        person_id,
        decided_at,
        service_line,
        week
    from recent
    where kind = 'lead' and person_id is not null

),

followed as (

    select
        leads.conversion_id,
        pairs.kind_to,
        min(date_diff('day', leads.week, later.week)) as days
    from leads
    inner join recent as later
        on leads.person_id = later.person_id and leads.decided_at <= later.decided_at
    inner join pairs
        on
            pairs.kind_from = 'lead'
            and later.kind = pairs.kind_to
            and date_diff('day', leads.week, later.week) <= pairs.window_weeks * 7
    group by 1, 2

),

-- The weeks of bookings and visits: looked up here, because time zones cost most.
moments as (

    select
        kind,
        person_id,
        decided_at,
        min(week) as week
    from recent
    where kind in ('booked', 'kept')
    group by 1, 2, 3

),

bookings as (

    select
        booked.week,
        stg_appointment.service_line,
        case when stg_appointment.is_kept then kept.week end as visit_week
    from stg_appointment
    inner join moments as booked
        on
            booked.kind = 'booked'
            and stg_appointment.person_id = booked.person_id
            and stg_appointment.booked_at = booked.decided_at
    left join moments as kept
        on
            kept.kind = 'kept'
            and stg_appointment.person_id = kept.person_id
            and stg_appointment.starts_at = kept.decided_at
    where stg_appointment.is_booked

),

payments as (

    select
        int_conversions.conversion_id,
        int_conversions.person_id,
        int_conversions.decided_at,
        int_conversions.week,
        int_conversions.value_micros
    from int_conversions
    inner join setting_report on int_conversions.currency = setting_report.currency
    where int_conversions.kind = 'collected'

),

-- Money that pays for a visit that was kept: by that visit, whenever it was decided.
posted as (

    select
        int_payments.person_id,
        int_payments.kept_at,
        int_payments.service_line,
        int_payments.amount_micros,
        cast(
            date_trunc(
                'week', cast(int_payments.posted_at at time zone setting_report.timezone as date)
            ) as date
        ) as week
    from int_payments
    inner join setting_report on int_payments.currency = setting_report.currency
    where int_payments.kept_at is not null

),

led as (

    select
        leads.service_line,
        leads.week,
        payments.value_micros,
        date_diff('day', leads.week, payments.week) as days,
        row_number() over (
            partition by payments.conversion_id
            order by leads.decided_at desc, leads.conversion_id desc
        ) as place
    from payments
    inner join leads
        on payments.person_id = leads.person_id and payments.decided_at >= leads.decided_at
    inner join pairs on pairs.kind_from = 'lead' and pairs.kind_to = 'collected'
    where
        date_diff('second', leads.decided_at, payments.decided_at)
        <= pairs.lookback_days * 86400

),

entered as (

    select
        kind as kind_from,
        service_line,
        week,
        cast(sum(conversions) as bigint) as entered
    from recent
    where kind in ('lead', 'kept') and person_id is not null
    group by 1, 2, 3
    union all
    select
        'booked' as kind_from,
        service_line,
        week,
        count(*) as entered
    from bookings
    group by 1, 2, 3

),

came as (

    select
        'lead' as kind_from,
        followed.kind_to,
        leads.service_line,
        leads.week,
        followed.days,
        1 as amount
    from followed
    inner join leads on followed.conversion_id = leads.conversion_id
    union all
    select
        'lead' as kind_from,
        'collected' as kind_to,
        service_line,
        week,
        days,
        value_micros as amount
    from led
    where place = 1
    union all
    select
        'booked' as kind_from,
        'kept' as kind_to,
        service_line,
        week,
        date_diff('day', week, visit_week) as days,
        1 as amount
    from bookings
    where visit_week is not null
    union all
    -- What was paid ahead was posted before its visit.
    select
        'kept' as kind_from,
        'collected' as kind_to,
        posted.service_line,
        moments.week,
        date_diff('day', moments.week, posted.week) as days,
        posted.amount_micros as amount
    from posted
    inner join moments
        on
            moments.kind = 'kept'
            and posted.person_id = moments.person_id
            and posted.kept_at = moments.decided_at

),

-- What is entered after it happened has a lag of nought.
arrived as (

    select
        kind_from,
        kind_to,
        service_line,
        week,
        cast(case when days > 0 then days / 7 else 0 end as integer) as lag_weeks,
        cast(sum(amount) as bigint) as arrived
    from came
    group by 1, 2, 3, 4, 5

),

cells as (

    select
        pairs.kind_from,
        pairs.kind_to,
        pairs.window_weeks,
        entered.service_line,
        case when entered.entered >= 11 then entered.service_line else 'other' end as shown_as,
        entered.week,
        cast(date_diff('day', entered.week, int_reported.last_week) / 7 as integer) as age_weeks,
        entered.entered
    from entered
    inner join pairs on entered.kind_from = pairs.kind_from
    inner join int_reported on pairs.kind_to = int_reported.kind
    cross join int_reach
    where entered.week <= int_reach.last_week

),

sizes as (

    select
        kind_from,
        kind_to,
        shown_as,
        week,
        cast(sum(entered) as bigint) as entered
    from cells
    group by 1, 2, 3, 4

),

final as (

    select
        cells.kind_from,
        cells.kind_to,
        cells.shown_as as service_line,
        cells.week,
        coalesce(arrived.lag_weeks, 0) as lag_weeks,
        cells.window_weeks,
        cells.age_weeks,
        sizes.entered,
        cast(coalesce(sum(arrived.arrived), 0) as bigint) as arrived
    from cells
    inner join sizes
        on
            cells.kind_from = sizes.kind_from
            and cells.kind_to = sizes.kind_to
            and cells.shown_as = sizes.shown_as
            and cells.week = sizes.week
    left join arrived
        on
            cells.kind_from = arrived.kind_from
            and cells.kind_to = arrived.kind_to
            and cells.service_line = arrived.service_line
            and cells.week = arrived.week
            and cells.window_weeks >= arrived.lag_weeks
            and cells.age_weeks >= arrived.lag_weeks
    group by 1, 2, 3, 4, 5, 6, 7, 8

)

select * from final
order by kind_from, kind_to, service_line, week, lag_weeks
