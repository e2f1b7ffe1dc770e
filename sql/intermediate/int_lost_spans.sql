-- From when on nothing came of a person's touches: one span for kinds that are alike in it.
-- grain: person_id, kinds
-- inputs: int_touches, int_conversions, setting_credit
--
-- A kind of conversion is a bit of `kinds`: 1 lead, 2 booked, 4 kept, 8 new_patient, 16 collected.
-- Most people never converted, and kinds with the same settings have the same span. Touches count
-- after the last conversion of the kind; who became a new patient cannot become one again. Of what
-- service line it would have been nobody knows, so the settings are those of all lines. Direct
-- visits are dropped of people who ever touched another channel. `last_second` is that of the last
-- touch.

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
        extract(epoch from max(touched_at)) as last_second,
        extract(epoch from max(case when not is_direct then touched_at end)) as named_second
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
        alike.drops_direct and people.named_second is not null as drops_direct,
        cast(
            case
                when alike.drops_direct then coalesce(people.named_second, people.last_second)
                else people.last_second
            end as double
        ) as last_second,
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
        kinds.drops_direct and people.named_second is not null as drops_direct,
        cast(
            case
                when kinds.drops_direct then coalesce(people.named_second, people.last_second)
                else people.last_second
            end as double
        ) as last_second,
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
        people.named_second,
        people.last_second,
        converted.closed_second,
        kinds.lookback_seconds,
        kinds.drops_direct,
        kinds.collapses,
        kinds.gap_seconds

)

select * from final
