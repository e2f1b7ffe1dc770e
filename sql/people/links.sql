-- What joins the records of each person: the kind of identifier and the sources that have it.
-- grain: person_id, kind, source_a, source_b
-- inputs: stg_holding, identity
--
-- Never which identifier. Its records are put in order of their days and each is joined to the one
-- before, so there are no more links than it takes. `first_day` is the first on which both sides
-- had it (null where no row has a day), `records` how many links of this kind there are.

with

ordered as (

    select
        identifier,
        kind,
        source,
        first_day,
        lag(source) over (
            partition by identifier
            order by first_day nulls last, source, record
        ) as source_before,
        lag(first_day) over (
            partition by identifier
            order by first_day nulls last, source, record
        ) as day_before
    from stg_holding

),

linked as (

    select
        identity.person_id,
        ordered.kind,
        least(ordered.source, ordered.source_before) as source_a,
        greatest(ordered.source, ordered.source_before) as source_b,
        coalesce(ordered.first_day, ordered.day_before) as first_day
    from ordered
    inner join identity on ordered.identifier = identity.identifier
    where ordered.source_before is not null

),

final as (

    select
        person_id,
        kind,
        source_a,
        source_b,
        min(first_day) as first_day,
        count(*) as records
    from linked
    group by person_id, kind, source_a, source_b

)

select * from final
order by person_id, kind, source_a, source_b
