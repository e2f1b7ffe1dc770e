-- Which sources know of each person.
-- grain: person_id, source
-- inputs: stg_holding, identity

with

final as (

    select distinct
        identity.person_id,
        stg_holding.source
    from stg_holding
    inner join identity on stg_holding.record = identity.identifier

)

select * from final
