-- From when on nothing came of a person's touches: one span for kinds that are alike in it.
-- grain: person_id, kinds
-- inputs: int_touches, int_conversions, setting_credit
--
-- A kind of conversion is a bit of `kinds`: 1 lead, 2 booked, 4 kept, 8 new_patient, 16 collected.
-- Most people never converted, and kinds with the same settings have the same span. Touches count
-- after the last conversion of the kind; who became a new patient cannot become one again. Of what
-- service line it would have been nobody knows, so the settings are those of all lines.

with

kinds as (

    select
        case kind
            when 'lead' then 1
            when 'booked' then 2
            when 'kept' then 4
            when 'new_patient' then 8
            else 16
        end as bit,
        kind,
        lookback_days * 86400 as lookback_seconds,
        drops_direct,
        collapses,
        gap_seconds
    from setting_credit
    where service_line = ''

),

alike as (

    select
        cast(sum(bit) as integer) as kinds,
        lookback_seconds,
        drops_direct,
        collapses,
        gap_seconds
    from kinds
    group by lookback_seconds, drops_direct, collapses, gap_seconds

),

people as (

    select
        person_id,
        max(case when is_direct then 0 else 1 end) = 1 as has_named
    from int_touches
    group by person_id

),

converted as (

    select
        person_id,
        kind,
        extract(epoch from max(decided_at)) as closed_second
    from int_conversions
    where person_id is not null
    group by person_id, kind

),

converters as (

    select distinct person_id
    from converted

),

final as (

    select
        people.person_id,
        alike.kinds,
        cast(null as double) as closed_second,
        alike.lookback_seconds,
        alike.drops_direct and people.has_named as drops_direct,
        alike.collapses,
        alike.gap_seconds
    from people
    left join converters on people.person_id = converters.person_id
    cross join alike
    where converters.person_id is null
    union all
    select
        people.person_id,
        cast(sum(kinds.bit) as integer) as kinds,
        cast(converted.closed_second as double) as closed_second,
        kinds.lookback_seconds,
        kinds.drops_direct and people.has_named as drops_direct,
        kinds.collapses,
        kinds.gap_seconds
    from people
    inner join converters on people.person_id = converters.person_id
    cross join kinds
    left join converted
        on people.person_id = converted.person_id and kinds.kind = converted.kind
    where kinds.kind <> 'new_patient' or converted.person_id is null
    group by
        people.person_id,
        people.has_named,
        converted.closed_second,
        kinds.lookback_seconds,
        kinds.drops_direct,
        kinds.collapses,
        kinds.gap_seconds

)

select * from final
