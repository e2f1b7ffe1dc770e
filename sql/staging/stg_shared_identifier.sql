-- Identifiers that join nobody, in each source that knows them.
-- grain: source, identifier
-- inputs: identity_shared

with

final as (

    select
        source,
        identifier,
        kind,
        reason
    from identity_shared

)

select * from final
