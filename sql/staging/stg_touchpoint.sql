-- Every recorded contact of a person with the organisation's marketing, one row each.
-- grain: source, account, touch_id
-- inputs: raw_touchpoint, identity
--
-- Placeholders of web analytics, such as "(not set)", mean nothing and become empty.

with

final as (

    select
        raw.source,
        raw.account,
        raw.touch_id,
        identity.person_id,
        raw.at as touched_at,
        raw.kind,
        case
            when lower(trim(raw.utm_source)) in ('(not set)', '(none)') then ''
            else coalesce(lower(trim(raw.utm_source)), '')
        end as utm_source,
        case
            when lower(trim(raw.utm_medium)) in ('(not set)', '(none)') then ''
            else coalesce(lower(trim(raw.utm_medium)), '')
        end as utm_medium,
        coalesce(trim(raw.utm_campaign), '') as utm_campaign,
        coalesce(trim(raw.campaign_id), '') as campaign_id,
        coalesce(trim(raw.service_line), '') as service_line,
        coalesce(trim(raw.location), '') as location
    from raw_touchpoint as raw
    left join identity on raw.identifier = identity.identifier

)

select * from final
