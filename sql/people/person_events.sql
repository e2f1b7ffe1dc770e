-- The timeline of everybody who can be looked up: touches, care, messages, money, conversions.
-- grain: person_id, happened_at, kind, tie
-- inputs: person_numbers, int_touches, int_channel_map, int_service_lines, int_contact_events,
--   int_care_events, int_conversions
--
-- In the order of its grain, so that one person's rows lie together and are found without reading
-- the rest. Touches are told apart in one instant by the `tie` they have already; all else of one
-- kind by where it comes from.

with

known as (

    select distinct person_id
    from person_numbers

),

apart as (

    select
        person_id,
        happened_at,
        kind,
        what,
        source,
        account,
        record_id,
        '' as channel,
        '' as campaign,
        service_line,
        location,
        other_at,
        number,
        out_of,
        amount_micros,
        currency,
        detail,
        cast(null as bigint) as conversion_id
    from int_care_events
    union all
    select
        person_id,
        happened_at,
        kind,
        what,
        source,
        account,
        record_id,
        channel,
        campaign,
        service_line,
        location,
        other_at,
        number,
        cast(null as double precision) as out_of,
        amount_micros,
        currency,
        detail,
        cast(null as bigint) as conversion_id
    from int_contact_events
    union all
    select
        person_id,
        decided_at as happened_at,
        'conversion' as kind,
        kind as what,
        '' as source,
        '' as account,
        cast(conversion_id as varchar) as record_id,
        '' as channel,
        '' as campaign,
        service_line,
        location,
        cast(null as timestamp with time zone) as other_at,
        conversions as number,
        cast(null as double precision) as out_of,
        value_micros as amount_micros,
        currency,
        '' as detail,
        conversion_id
    from int_conversions

),

final as (

    select
        apart.person_id,
        apart.happened_at,
        apart.kind,
        cast(
            row_number() over (
                partition by apart.person_id, apart.happened_at, apart.kind
                order by
                    apart.what,
                    apart.record_id,
                    apart.source,
                    apart.account,
                    apart.channel,
                    apart.detail
            ) as integer
        ) as tie,
        apart.what,
        apart.source,
        apart.channel,
        apart.campaign,
        apart.service_line,
        apart.location,
        apart.other_at,
        apart.number,
        apart.out_of,
        apart.amount_micros,
        apart.currency,
        apart.detail,
        apart.conversion_id
    from apart
    inner join known on apart.person_id = known.person_id
    union all
    select
        int_touches.person_id,
        int_touches.touched_at as happened_at,
        'touch' as kind,
        int_touches.tie,
        int_channel_map.kind as what,
        int_touches.source,
        int_channel_map.channel,
        int_channel_map.campaign,
        coalesce(int_service_lines.service_line, '') as service_line,
        '' as location,
        cast(null as timestamp with time zone) as other_at,
        cast(null as double precision) as number,
        cast(null as double precision) as out_of,
        cast(null as bigint) as amount_micros,
        '' as currency,
        '' as detail,
        cast(null as bigint) as conversion_id
    from int_touches
    inner join known on int_touches.person_id = known.person_id
    inner join int_channel_map on int_touches.map_id = int_channel_map.map_id
    left join int_service_lines on int_touches.line_id = int_service_lines.line_id
    where int_touches.origin in ('touchpoint', 'contact')

)

select * from final
order by person_id, happened_at, kind, tie
