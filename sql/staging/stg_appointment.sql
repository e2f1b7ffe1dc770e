-- Every visit that was booked, and what became of it.
-- grain: source, account, appointment_id
-- inputs: raw_appointment, raw_withdrawn, stg_encounter, identity
--
-- How long somebody waited, for which service line and where, is known by the booking, or by the
-- visit that it became.

with

visits as (

    select
        source,
        account,
        appointment_id,
        max(minutes_waited) as minutes_waited,
        min(nullif(service_line, 'unassigned')) as service_line,
        min(nullif(location, 'unassigned')) as location
    from stg_encounter
    where appointment_id is not null
    group by 1, 2, 3

),

final as (

    select
        raw.source,
        raw.account,
        raw.appointment_id,
        identity.person_id,
        raw.booked_at,
        raw.starts_at,
        raw.status,
        raw.status <> 'proposed' as is_booked,
        raw.status in ('arrived', 'fulfilled') as is_kept,
        coalesce(raw.minutes_waited, visits.minutes_waited) as minutes_waited,
        coalesce(nullif(trim(raw.service_line), ''), visits.service_line, 'unassigned')
            as service_line,
        coalesce(nullif(trim(raw.location), ''), visits.location, 'unassigned') as location,
        coalesce(trim(raw.provider), '') as provider,
        raw.unknown_code
    from raw_appointment as raw
    left join identity on raw.identifier = identity.identifier
    left join visits
        on
            raw.source = visits.source
            and raw.account = visits.account
            and raw.appointment_id = visits.appointment_id
    left join raw_withdrawn as withdrawn
        on
            raw.source = withdrawn.source
            and raw.account = withdrawn.account
            and withdrawn.table_name = 'appointment'
            and raw.appointment_id = withdrawn.record_id
            and (raw.updated_at is null or raw.updated_at <= withdrawn.withdrawn_at)
    where withdrawn.record_id is null

)

select * from final
