-- How many rows of each kind each source has brought, and the days they reach over.
-- grain: source, account, table_name
-- inputs: raw_ad_spend, raw_claimed_conversions, raw_web_sessions, raw_tracking_code,
--   raw_ad_click, raw_touchpoint, raw_contact, raw_deal, raw_person, raw_link, raw_appointment,
--   raw_encounter, raw_care_code, raw_withdrawn, raw_payment, raw_call, raw_message,
--   raw_message_event, raw_preference, raw_feedback, raw_reputation, raw_environment
--
-- Days of instants are UTC days here: this says what was loaded, not when people came.

with

final as (

    select
        source,
        account,
        'ad_spend' as table_name,
        min(day) as first_day,
        max(day) as last_day,
        count(*) as rows_loaded
    from raw_ad_spend
    group by source, account
    union all
    select
        source,
        account,
        'claimed_conversions' as table_name,
        min(day) as first_day,
        max(day) as last_day,
        count(*) as rows_loaded
    from raw_claimed_conversions
    group by source, account
    union all
    select
        source,
        account,
        'web_sessions' as table_name,
        min(day) as first_day,
        max(day) as last_day,
        count(*) as rows_loaded
    from raw_web_sessions
    group by source, account
    union all
    select
        source,
        account,
        'tracking_code' as table_name,
        min(valid_from) as first_day,
        max(valid_from) as last_day,
        count(*) as rows_loaded
    from raw_tracking_code
    group by source, account
    union all
    select
        source,
        account,
        'ad_click' as table_name,
        min(day) as first_day,
        max(day) as last_day,
        count(*) as rows_loaded
    from raw_ad_click
    group by source, account
    union all
    select
        source,
        account,
        'touchpoint' as table_name,
        cast(min(raw.at) at time zone 'UTC' as date) as first_day,
        cast(max(raw.at) at time zone 'UTC' as date) as last_day,
        count(*) as rows_loaded
    from raw_touchpoint as raw
    group by source, account
    union all
    select
        source,
        account,
        'contact' as table_name,
        cast(min(raw.created_at) at time zone 'UTC' as date) as first_day,
        cast(max(raw.created_at) at time zone 'UTC' as date) as last_day,
        count(*) as rows_loaded
    from raw_contact as raw
    group by source, account
    union all
    select
        source,
        account,
        'deal' as table_name,
        cast(min(raw.created_at) at time zone 'UTC' as date) as first_day,
        cast(max(raw.created_at) at time zone 'UTC' as date) as last_day,
        count(*) as rows_loaded
    from raw_deal as raw
    group by source, account
    union all
    select
        source,
        account,
        'person' as table_name,
        cast(null as date) as first_day,
        cast(null as date) as last_day,
        count(*) as rows_loaded
    from raw_person
    group by source, account
    union all
    select
        source,
        account,
        'link' as table_name,
        cast(min(raw.at) at time zone 'UTC' as date) as first_day,
        cast(max(raw.at) at time zone 'UTC' as date) as last_day,
        count(*) as rows_loaded
    from raw_link as raw
    group by source, account
    union all
    select
        source,
        account,
        'appointment' as table_name,
        cast(min(raw.booked_at) at time zone 'UTC' as date) as first_day,
        cast(max(raw.booked_at) at time zone 'UTC' as date) as last_day,
        count(*) as rows_loaded
    from raw_appointment as raw
    group by source, account
    union all
    select
        source,
        account,
        'encounter' as table_name,
        cast(min(raw.starts_at) at time zone 'UTC' as date) as first_day,
        cast(max(raw.starts_at) at time zone 'UTC' as date) as last_day,
        count(*) as rows_loaded
    from raw_encounter as raw
    group by source, account
    union all
    select
        source,
        account,
        'care_code' as table_name,
        cast(min(raw.at) at time zone 'UTC' as date) as first_day,
        cast(max(raw.at) at time zone 'UTC' as date) as last_day,
        count(*) as rows_loaded
    from raw_care_code as raw
    group by source, account
    union all
    select
        source,
        account,
        'withdrawn' as table_name,
        cast(min(raw.withdrawn_at) at time zone 'UTC' as date) as first_day,
        cast(max(raw.withdrawn_at) at time zone 'UTC' as date) as last_day,
        count(*) as rows_loaded
    from raw_withdrawn as raw
    group by source, account
    union all
    select
        source,
        account,
        'payment' as table_name,
        cast(min(raw.posted_at) at time zone 'UTC' as date) as first_day,
        cast(max(raw.posted_at) at time zone 'UTC' as date) as last_day,
        count(*) as rows_loaded
    from raw_payment as raw
    group by source, account
    union all
    select
        source,
        account,
        'call' as table_name,
        cast(min(raw.started_at) at time zone 'UTC' as date) as first_day,
        cast(max(raw.started_at) at time zone 'UTC' as date) as last_day,
        count(*) as rows_loaded
    from raw_call as raw
    group by source, account
    union all
    select
        source,
        account,
        'message' as table_name,
        cast(min(raw.assigned_at) at time zone 'UTC' as date) as first_day,
        cast(max(raw.assigned_at) at time zone 'UTC' as date) as last_day,
        count(*) as rows_loaded
    from raw_message as raw
    group by source, account
    union all
    select
        source,
        account,
        'message_event' as table_name,
        cast(min(raw.at) at time zone 'UTC' as date) as first_day,
        cast(max(raw.at) at time zone 'UTC' as date) as last_day,
        count(*) as rows_loaded
    from raw_message_event as raw
    group by source, account
    union all
    select
        source,
        account,
        'preference' as table_name,
        cast(min(raw.since) at time zone 'UTC' as date) as first_day,
        cast(max(raw.since) at time zone 'UTC' as date) as last_day,
        count(*) as rows_loaded
    from raw_preference as raw
    group by source, account
    union all
    select
        source,
        account,
        'feedback' as table_name,
        cast(min(raw.at) at time zone 'UTC' as date) as first_day,
        cast(max(raw.at) at time zone 'UTC' as date) as last_day,
        count(*) as rows_loaded
    from raw_feedback as raw
    group by source, account
    union all
    select
        source,
        account,
        'reputation' as table_name,
        min(day) as first_day,
        max(day) as last_day,
        count(*) as rows_loaded
    from raw_reputation
    group by source, account
    union all
    select
        source,
        account,
        'environment' as table_name,
        min(day) as first_day,
        max(day) as last_day,
        count(*) as rows_loaded
    from raw_environment
    group by source, account

)

select * from final
