-- Every visit that was booked, and what became of it.
-- grain: source, account, appointment_id
-- inputs: raw_appointment, identity

with

final as (

    select
        raw.source,
        raw.account,
        raw.appointment_id,
        identity.person_id,
        raw.booked_at,
        raw.starts_at,
        raw.status <> 'proposed' as is_booked,
        raw.status in ('arrived', 'fulfilled') as is_kept,
        raw.minutes_waited,
        coalesce(nullif(trim(raw.service_line), ''), 'unassigned') as service_line,
        coalesce(nullif(trim(raw.location), ''), 'unassigned') as location
    from raw_appointment as raw
    left join identity on raw.identifier = identity.identifier

)

select * from final
