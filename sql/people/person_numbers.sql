-- Whose each patient and CRM number is: its keyed hash and the person, never the number.
-- grain: number_hash
-- inputs: stg_holding, identity, setting_timeline
--
-- Only who has such a number can be looked up, so nothing is kept of anybody else.

with

final as (

    select distinct
        stg_holding.identifier as number_hash,
        identity.person_id
    from stg_holding
    inner join setting_timeline on stg_holding.kind = setting_timeline.kind
    inner join identity on stg_holding.identifier = identity.identifier

)

select * from final
order by number_hash
