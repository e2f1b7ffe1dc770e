-- Everything that marketing is credited for: leads, bookings, visits, new patients, money.
-- grain: conversion_id
-- inputs: int_decisions, setting_credit
-- parts: int_decisions by decided_day
--
-- `week` is when it is counted; `decided_at` is when touches stop mattering; touches count from
-- `opens_at` and, where `closed_at` is not null, only after it: the one before of its kind. What
-- else makes a journey (`drops_direct`, `collapses`, `gap_seconds`) comes from the settings of
-- the kind, or those of the service line where it has its own. `booked_at` is the last booking of
-- the span up to the decision, `lead_at` the last lead up to that booking (or up to the decision);
-- nobody books on the way to a lead. Numbers go by kind and then by moment: a day at a time is put
-- in order, and counted on from those before it.

with

days as (

    select
        kind,
        decided_day,
        count(*) as decisions
    from int_decisions
    group by kind, decided_day

),

numbered_days as (

    select
        kind,
        decided_day,
        sum(decisions) over (order by kind, decided_day) - decisions as decisions_before
    from days

),

placed as (

    select
        *,
        row_number() over (
            partition by kind, decided_day
            order by decided_at, person_id, service_line, location, week, currency
        ) as place_in_day
    from int_decisions
    where decided_day % 1 = 0

),

opened as (

    select
        placed.kind,
        placed.person_id,
        placed.decided_at,
        placed.decided_day,
        placed.decided_at
        - cast(coalesce(own.lookback_days, every.lookback_days) as integer) * interval '1' day
            as opens_at,
        case
            when coalesce(own.after_previous, every.after_previous)
                then placed.previous_at
        end as closed_at,
        coalesce(own.drops_direct, every.drops_direct) as drops_direct,
        coalesce(own.collapses, every.collapses) as collapses,
        coalesce(own.gap_seconds, every.gap_seconds) as gap_seconds,
        placed.lead_at,
        case when placed.kind <> 'lead' then placed.booked_at end as booked_at,
        placed.booked_lead_at,
        placed.service_line,
        placed.location,
        placed.week,
        placed.currency,
        placed.conversions,
        placed.value_micros,
        placed.place_in_day
    from placed
    inner join setting_credit as every
        on placed.kind = every.kind and every.service_line = ''
    left join setting_credit as own
        on
            placed.kind = own.kind
            and placed.service_line = own.service_line

),

spanned as (

    select
        *,
        booked_at is not null
        and booked_at >= opens_at
        and (closed_at is null or booked_at > closed_at) as is_booked
    from opened

),

final as (

    select
        cast(numbered_days.decisions_before + spanned.place_in_day as bigint) as conversion_id,
        spanned.kind,
        spanned.person_id,
        spanned.decided_at,
        spanned.opens_at,
        spanned.closed_at,
        spanned.drops_direct,
        spanned.collapses,
        spanned.gap_seconds,
        case when spanned.is_booked then spanned.booked_lead_at else spanned.lead_at end
            as lead_at,
        case when spanned.is_booked then spanned.booked_at end as booked_at,
        spanned.service_line,
        spanned.location,
        spanned.week,
        spanned.currency,
        spanned.conversions,
        spanned.value_micros
    from spanned
    inner join numbered_days
        on
            spanned.kind = numbered_days.kind
            and spanned.decided_day = numbered_days.decided_day

)

select * from final
