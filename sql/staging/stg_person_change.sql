-- Every merge and split of people that the vault remembers.
-- grain: number
-- inputs: identity_changes

with

final as (

    select
        number,
        kind,
        from_person,
        to_person,
        found_on,
        cause,
        latest
    from identity_changes

)

select * from final
