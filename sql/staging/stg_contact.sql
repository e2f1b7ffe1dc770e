-- Every contact that the CRM still has, with where the CRM says they first came from.
-- grain: source, account, contact_id
-- inputs: raw_contact, identity
--
-- A contact's own tags win over the CRM's coarse word for its original source.

with

final as (

    select
        raw.source,
        raw.account,
        raw.contact_id,
        identity.person_id,
        raw.created_at,
        raw.first_touch_at,
        coalesce(
            nullif(lower(trim(raw.utm_source)), ''), lower(trim(raw.original_source)), ''
        ) as utm_source,
        coalesce(lower(trim(raw.utm_medium)), '') as utm_medium,
        coalesce(trim(raw.utm_campaign), '') as utm_campaign,
        coalesce(trim(raw.service_line), '') as service_line,
        coalesce(trim(raw.location), '') as location
    from raw_contact as raw
    left join identity on raw.identifier = identity.identifier
    where not coalesce(raw.deleted, false)

)

select * from final
