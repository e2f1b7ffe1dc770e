-- Stretches of time in which a person converted to nothing; kinds that are alike in it share one.
-- grain: span
-- inputs: int_conversions, int_kinds, setting_credit
--
-- A kind of conversion is a bit of `kinds` (see int_kinds). A span lies after one conversion of the
-- kind (`closed_second`, null before the first) and before the next (`next_second`, null after the
-- last). Most people never converted and have one span that is all time: it stands once for all of
-- them, without a person. Kinds with the same settings and the same conversions share their spans.
-- Who became a new patient cannot become one again. Of what service line it would have been nobody
-- knows, so the settings are those of all lines.

with

kinds as (

    select
        int_kinds.bit,
        int_kinds.kind,
        setting_credit.lookback_days * 86400 as lookback_seconds,
        setting_credit.drops_direct,
        setting_credit.collapses,
        setting_credit.gap_seconds
    from setting_credit
    inner join int_kinds on setting_credit.kind = int_kinds.kind
    where setting_credit.service_line = ''

),

moments as (

    select distinct
        person_id,
        kind,
        cast(extract(epoch from decided_at) as double) as second
    from int_conversions
    where person_id is not null

),

converters as (

    select distinct person_id
    from moments

),

-- One row more than conversions: before the first, between two, after the last.
edges as (

    select
        person_id,
        kind,
        lag(second) over (partition by person_id, kind order by second) as closed_second,
        second as next_second
    from moments
    union all
    select
        person_id,
        kind,
        max(second) as closed_second,
        cast(null as double) as next_second
    from moments
    group by person_id, kind
    union all
    select
        converters.person_id,
        kinds.kind,
        cast(null as double) as closed_second,
        cast(null as double) as next_second
    from converters
    cross join kinds
    left join moments
        on converters.person_id = moments.person_id and kinds.kind = moments.kind
    where moments.person_id is null
    union all
    select
        cast(null as bigint) as person_id,
        kind,
        cast(null as double) as closed_second,
        cast(null as double) as next_second
    from kinds

),

spans as (

    select
        edges.person_id,
        cast(sum(kinds.bit) as integer) as kinds,
        edges.closed_second,
        edges.next_second,
        kinds.lookback_seconds,
        kinds.drops_direct,
        kinds.collapses,
        kinds.gap_seconds
    from edges
    inner join kinds on edges.kind = kinds.kind
    where kinds.kind <> 'new_patient' or edges.closed_second is null
    group by
        edges.person_id,
        edges.closed_second,
        edges.next_second,
        kinds.lookback_seconds,
        kinds.drops_direct,
        kinds.collapses,
        kinds.gap_seconds

),

final as (

    select
        row_number() over (order by person_id, kinds, closed_second) as span,
        person_id,
        kinds,
        closed_second,
        next_second,
        lookback_seconds,
        drops_direct,
        collapses,
        gap_seconds
    from spans

)

select * from final
