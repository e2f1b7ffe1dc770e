-- Identifiers that would have made one person of several, and so join nobody: how many.
-- grain: source, kind, reason
-- inputs: stg_shared_identifier
--
-- One that several sources know counts in each. Ten or fewer are not told apart: no count.

with

counted as (

    select
        source,
        kind,
        reason,
        count(*) as identifiers
    from stg_shared_identifier
    group by source, kind, reason

),

final as (

    select
        source,
        kind,
        reason,
        case when identifiers > 10 then identifiers end as identifiers
    from counted

)

select * from final
order by source, kind, reason
