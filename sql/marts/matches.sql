-- Of the people whom one source knows, how many another source knows too.
-- grain: source, other
-- inputs: int_person_sources
--
-- Where `other` is the source itself: how many people it knows. Ten people or fewer are not told
-- apart: such a row has no count.

with

counted as (

    select
        one.source,
        two.source as other,
        count(*) as people
    from int_person_sources as one
    inner join int_person_sources as two on one.person_id = two.person_id
    group by one.source, two.source

),

sources as (

    select distinct source
    from int_person_sources

),

final as (

    select
        sources.source,
        others.source as other,
        case
            when coalesce(counted.people, 0) between 1 and 10 then null
            else coalesce(counted.people, 0)
        end as people
    from sources
    cross join sources as others
    left join counted on sources.source = counted.source and others.source = counted.other

)

select * from final
order by source, other
