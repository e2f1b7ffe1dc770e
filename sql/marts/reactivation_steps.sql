-- How far every silent patient came on the way back, and why no further.
-- grain: cohort_month, campaign, channel, arm, months_silent, service_line, location, state,
--   reached, reason, currency
-- inputs: int_reactivation_outcomes, int_reactivation_consent, int_lapse, int_reach, stg_message,
--   stg_appointment, stg_holding, stg_capped, identity, setting_report
--
-- `reached` is the furthest of 1 silent, 2 to be called back, 3 consented, 4 contacted,
-- 5 delivered, 6 responded, 7 booked, 8 kept, 9 retained, and `reason` why not the next: so each
-- patient is in one row and drops are what their reasons add up to. `state` is what the lapse rules
-- of the line made of the silence on the day of assignment. Whom a campaign assigned was to be
-- called back and had consented: the system that assigned them decided so. Of the others a
-- permission for marketing by any channel counts that no STOP took back. To whom nothing was sent
-- is `capped` if the frequency cap left them out in the 90 days after: of the flow that assigned
-- them, or of any where none did. What was sent and did not bounce arrived, where nothing tells of
-- a flow's deliveries. `value_squares` is of whole units of the currency.

with

edges as (

    select
        cast(int_reach.last_day + interval '1' day as timestamp)
        at time zone setting_report.timezone as last_at,
        setting_report.currency
    from int_reach
    cross join setting_report

),

people as (

    select
        outcomes.*,
        edges.last_at,
        edges.currency,
        date_diff('second', outcomes.visited_at, outcomes.assigned_at) / 86400.0 as days_silent
    from int_reactivation_outcomes as outcomes
    cross join edges

),

ruled as (

    select
        people.*,
        case
            when int_lapse.person_id is null then 'no recall'
            when int_lapse.interval_days is null
                then
                    case
                        when int_lapse.is_open_loop and people.is_latest then 'open loop'
                        else 'no recall'
                    end
            when people.days_silent < int_lapse.interval_days then 'active'
            when 2 * people.days_silent < int_lapse.interval_days + int_lapse.lapsed_days
                then 'due'
            when people.days_silent < int_lapse.lapsed_days then 'overdue'
            when people.days_silent < int_lapse.lost_days then 'lapsed'
            else 'lost'
        end as state
    from people
    left join int_lapse
        on
            people.person_id = int_lapse.person_id
            and people.service_line = int_lapse.service_line

),

ahead as (

    select distinct
        ruled.person_id,
        ruled.flow,
        ruled.assigned_at
    from ruled
    inner join stg_appointment
        on
            ruled.person_id = stg_appointment.person_id
            and ruled.assigned_at >= stg_appointment.booked_at
            and ruled.assigned_at < stg_appointment.starts_at
    where ruled.arm = 'none' and stg_appointment.is_booked

),

addressed as (

    select distinct identity.person_id
    from stg_holding
    inner join identity on stg_holding.identifier = identity.identifier
    where stg_holding.kind in ('email', 'phone')

),

capped as (

    select distinct
        ruled.person_id,
        ruled.flow,
        ruled.assigned_at
    from ruled
    inner join stg_capped
        on
            ruled.person_id = stg_capped.person_id
            and ruled.assigned_at <= stg_capped.capped_at
            and ruled.assigned_at + interval '90' day >= stg_capped.capped_at
    where
        (ruled.arm = 'none' or ruled.flow = stg_capped.flow)
        and regexp_matches(lower(stg_capped.flow), 'reactivation|recall|win_?back')

),

arrivals as (

    select
        person_id,
        flow,
        max(case when has_arrived then 1 else 0 end) as delivered,
        max(case when bounced_at is null then 0 else 1 end) as bounced,
        max(case when unsubscribed_at is null then 0 else 1 end) as left_us
    from stg_message
    where purpose = 'marketing' and person_id is not null
    group by 1, 2

),

bookings as (

    select
        ruled.person_id,
        ruled.flow,
        ruled.assigned_at,
        min(
            case
                when
                    stg_appointment.status = 'booked'
                    and ruled.last_at <= stg_appointment.starts_at
                    then 1
                when stg_appointment.is_kept then 2
                when stg_appointment.status = 'noshow' then 3
                when stg_appointment.status = 'cancelled' then 4
                else 5
            end
        ) as fate
    from ruled
    inner join stg_appointment
        on
            ruled.person_id = stg_appointment.person_id
            and ruled.assigned_at < stg_appointment.booked_at
            and ruled.assigned_at + interval '90' day >= stg_appointment.booked_at
    where ruled.booked = 1 and ruled.kept = 0 and stg_appointment.is_booked
    group by 1, 2, 3

),

judged as (

    select
        ruled.*,
        coalesce(arrivals.delivered, 0) as delivered,
        coalesce(arrivals.bounced, 0) as bounced,
        coalesce(arrivals.left_us, 0) as left_us,
        bookings.fate,
        said.allowed,
        case when addressed.person_id is null then 0 else 1 end as has_address,
        case when ahead.person_id is null then 0 else 1 end as is_ahead,
        case when capped.person_id is null then 0 else 1 end as is_capped,
        ruled.assigned_at + interval '90' day > ruled.last_at as is_early
    from ruled
    left join ahead
        on
            ruled.person_id = ahead.person_id
            and ruled.flow = ahead.flow
            and ruled.assigned_at = ahead.assigned_at
    left join int_reactivation_consent as said
        on
            ruled.person_id = said.person_id
            and ruled.flow = said.flow
            and ruled.assigned_at = said.assigned_at
    left join arrivals
        on ruled.person_id = arrivals.person_id and ruled.flow = arrivals.flow
    left join capped
        on
            ruled.person_id = capped.person_id
            and ruled.flow = capped.flow
            and ruled.assigned_at = capped.assigned_at
    left join addressed on ruled.person_id = addressed.person_id
    left join bookings
        on
            ruled.person_id = bookings.person_id
            and ruled.flow = bookings.flow
            and ruled.assigned_at = bookings.assigned_at

),

reached as (

    select
        *,
        case
            when arm = 'none' and (is_ahead = 1 or state in ('active', 'no recall')) then 1
            when arm = 'none' and coalesce(allowed, 0) = 0 then 2
            when contacted = 0 then 3
            when delivered = 0 then 4
            when responded = 0 and booked = 0 then 5
            when booked = 0 then 6
            when kept = 0 then 7
            when retained = 0 then 8
            else 9
        end as reached
    from judged

),

final as (

    select
        cohort_month,
        campaign,
        channel,
        arm,
        months_silent,
        service_line,
        location,
        state,
        reached,
        case
            when reached = 1 and is_ahead = 1 then 'visit ahead'
            when reached = 1 and state = 'active' then 'not due'
            when reached = 1 then 'no recall'
            when reached = 2 and has_address = 0 then 'no address'
            when reached = 2 and allowed = 0 then 'opted out'
            when reached = 2 then 'no permission'
            when reached = 3 and arm = 'holdout' then 'held out'
            when reached = 3 and is_capped = 1 then 'capped'
            when reached = 3 and arm = 'treated' then 'not sent'
            when reached = 3 then 'not chosen'
            when reached = 4 and bounced = 1 then 'bounced'
            when reached = 4 then 'no word of it'
            when reached = 5 and left_us = 1 then 'unsubscribed'
            when reached in (5, 6) and is_early then 'too early'
            when reached = 5 then 'no response'
            when reached = 6 then 'did not book'
            when reached = 7 and fate = 1 then 'visit still ahead'
            when reached = 7 and fate = 2 then 'kept later'
            when reached = 7 and fate = 3 then 'missed it'
            when reached = 7 and fate = 4 then 'cancelled it'
            when reached = 7 then 'not kept'
            when
                reached = 8
                and kept_at + interval '180' day > last_at
                then 'too early'
            when reached = 8 then 'no second visit'
            else ''
        end as reason,
        currency,
        count(*) as people,
        cast(sum(value_micros) as bigint) as value_micros,
        cast(
            sum(
                cast(round(value_micros / 1000000.0) as bigint)
                * cast(round(value_micros / 1000000.0) as bigint)
            ) as bigint
        ) as value_squares
    from reached
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11

)

select * from final
order by
    cohort_month, campaign, channel, arm, months_silent, service_line, location, state, reached,
    reason, currency
