-- Every contact that the CRM still has, with where the CRM says they first came from.
-- grain: source, account, contact_id
-- inputs: raw_contact, identity, stg_tracking_code, setting_report
--
-- A contact's own tags win over the CRM's coarse word for its original source. A campaign that is
-- the code of a spend sheet stands for the campaign that was given the code.

with

told as (

    select
        raw.source,
        raw.account,
        raw.contact_id,
        raw.identifier,
        raw.created_at,
        raw.updated_at,
        coalesce(lower(trim(raw.preferred_channel)), '') as preferred_channel,
        raw.first_touch_at,
        coalesce(
            nullif(lower(trim(raw.utm_source)), ''), lower(trim(raw.original_source)), ''
        ) as utm_source,
        coalesce(lower(trim(raw.utm_medium)), '') as utm_medium,
        coalesce(trim(raw.utm_campaign), '') as utm_campaign,
        coalesce(trim(raw.service_line), '') as service_line,
        coalesce(trim(raw.location), '') as location,
        raw.lead_at,
        raw.customer_at,
        coalesce(raw.lifecycle_dates, '') as lifecycle_dates
    from raw_contact as raw
    where not coalesce(raw.deleted, false)

),

final as (

    select
        told.source,
        told.account,
        told.contact_id,
        identity.person_id,
        told.created_at,
        told.updated_at,
        told.preferred_channel,
        told.first_touch_at,
        told.lead_at,
        told.customer_at,
        told.lifecycle_dates,
        coalesce(stg_tracking_code.utm_source, told.utm_source) as utm_source,
        coalesce(stg_tracking_code.utm_medium, told.utm_medium) as utm_medium,
        coalesce(stg_tracking_code.utm_campaign, told.utm_campaign) as utm_campaign,
        coalesce(
            nullif(told.service_line, ''), stg_tracking_code.service_line, ''
        ) as service_line,
        coalesce(nullif(told.location, ''), stg_tracking_code.location, '') as location
    from told
    cross join setting_report
    left join identity on told.identifier = identity.identifier
    left join stg_tracking_code
        on
            stg_tracking_code.kind = 'code'
            and stg_tracking_code.code = lower(told.utm_campaign)
            and cast(told.created_at at time zone setting_report.timezone as date)
            between stg_tracking_code.first_day and stg_tracking_code.last_day

)

select * from final
