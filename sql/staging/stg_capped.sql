-- Whom outreach left out of a flow because of the frequency cap, and when.
-- grain: person_id, flow, capped_at
-- inputs: raw_capped, identity

with

final as (

    select distinct
        identity.person_id,
        raw_capped.flow,
        raw_capped.at as capped_at
    from raw_capped
    inner join identity on raw_capped.identifier = identity.identifier

)

select * from final
