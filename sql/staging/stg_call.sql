-- Every phone call, with the source of the tracking number that was dialled.
-- grain: source, account, call_id
-- inputs: raw_call, identity
--
-- Calls that were marked as spam are kept raw, and counted nowhere.

with

final as (

    select
        raw.source,
        raw.account,
        raw.call_id,
        identity.person_id,
        raw.started_at,
        raw.answered,
        coalesce(raw.first_time_caller, true) as may_be_first_call,
        coalesce(lower(trim(raw.utm_source)), '') as utm_source,
        coalesce(lower(trim(raw.utm_medium)), '') as utm_medium,
        coalesce(trim(raw.utm_campaign), '') as utm_campaign,
        coalesce(trim(raw.campaign_id), '') as campaign_id,
        coalesce(trim(raw.service_line), '') as service_line,
        coalesce(trim(raw.location), '') as location
    from raw_call as raw
    left join identity on raw.identifier = identity.identifier
    where coalesce(raw.outcome, '') <> 'spam'

)

select * from final
