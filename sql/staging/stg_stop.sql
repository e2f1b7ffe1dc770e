-- Who asked us directly to be left alone, by which channel, for which purpose and since when.
-- grain: person_id, channel, purpose, stopped_at
-- inputs: raw_stopped, stg_holding, identity
--
-- An address is left alone whoever's it is: so it is of all whose records hold it, also where it
-- joins nobody. Without a purpose it is for every purpose.

with

holders as (

    select
        raw_stopped.identifier,
        identity.person_id
    from raw_stopped
    inner join identity on raw_stopped.identifier = identity.identifier
    union all
    select
        raw_stopped.identifier,
        identity.person_id
    from raw_stopped
    inner join stg_holding on raw_stopped.identifier = stg_holding.identifier
    inner join identity on stg_holding.record = identity.identifier

),

final as (

    select distinct
        holders.person_id,
        raw_stopped.channel,
        raw_stopped.purpose,
        raw_stopped.at as stopped_at
    from raw_stopped
    inner join holders on raw_stopped.identifier = holders.identifier

)

select * from final
