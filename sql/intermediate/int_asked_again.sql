-- Inquiries that are no lead of ours, of people who clicked a platform that could claim them.
-- grain: origin, source, account, record_id, platform
-- inputs: stg_touchpoint, stg_call, stg_contact, int_touches, int_platforms, int_claim_terms,
--   setting_report
--
-- A known caller, or somebody who asked within the lead gap: platforms count every form and every
-- call. What follows another inquiry within a day is the same one, told by another system. Which
-- of them are leads is decided as in int_inquiries.

with

asked as (

    select
        'touchpoint' as origin,
        source,
        account,
        touch_id as record_id,
        person_id,
        touched_at as asked_at,
        true as may_be_lead
    from stg_touchpoint
    where kind = 'form' and person_id is not null
    union all
    select
        'call' as origin,
        source,
        account,
        call_id as record_id,
        person_id,
        started_at as asked_at,
        may_be_first_call as may_be_lead
    from stg_call
    where answered and person_id is not null
    union all
    select
        'contact' as origin,
        source,
        account,
        contact_id as record_id,
        person_id,
        created_at as asked_at,
        true as may_be_lead
    from stg_contact
    where person_id is not null

),

spaced as (

    select
        *,
        lag(asked_at) over (
            partition by person_id order by asked_at, origin, record_id, source
        ) as before_at,
        max(case when may_be_lead then asked_at end) over (
            partition by person_id
            order by asked_at, origin, record_id, source
            rows between unbounded preceding and 1 preceding
        ) as inquiry_at
    from asked

),

again as (

    select
        spaced.origin,
        spaced.source,
        spaced.account,
        spaced.record_id,
        spaced.person_id,
        spaced.asked_at,
        setting_report.timezone
    from spaced
    cross join setting_report
    where
        spaced.origin <> 'contact'
        and (
            spaced.before_at is null
            or date_diff('second', spaced.before_at, spaced.asked_at) > 86400
        )
        and (
            not spaced.may_be_lead
            or date_diff('second', spaced.inquiry_at, spaced.asked_at)
            <= setting_report.lead_gap_days * 86400
        )

),

clicks as (

    select
        again.origin,
        again.source,
        again.account,
        again.record_id,
        again.timezone,
        again.asked_at,
        int_claim_terms.platform,
        int_claim_terms.is_dated_by_touch,
        int_claim_terms.last_day,
        int_touches.touched_at,
        int_touches.map_id,
        row_number() over (
            partition by
                again.origin,
                again.source,
                again.account,
                again.record_id,
                int_claim_terms.platform
            order by int_touches.touched_at desc, int_touches.tie desc
        ) as place
    from again
    inner join int_claim_terms on int_claim_terms.kind = 'lead'
    inner join int_touches
        on
            again.person_id = int_touches.person_id
            and again.asked_at >= int_touches.touched_at
            and again.asked_at
            <= int_touches.touched_at + int_claim_terms.window_days * interval '1' day
    inner join int_platforms
        on
            int_touches.map_id = int_platforms.map_id
            and int_claim_terms.platform = int_platforms.platform

),

dated as (

    select
        *,
        cast(
            case when is_dated_by_touch then touched_at else asked_at end
            at time zone timezone as date
        ) as claim_day
    from clicks
    where place = 1

),

final as (

    select
        origin,
        source,
        account,
        record_id,
        platform,
        map_id,
        claim_day
    from dated
    where claim_day <= last_day

)

select * from final
