-- The claims of the mart are those that the platforms made, each counted once.
-- inputs: raw_claimed_conversions, claims

with

loaded as (

    select coalesce(sum(cast(conversions as decimal(18, 6))), 0) as conversions
    from raw_claimed_conversions
    where coalesce(told_by, '') = ''

),

shown as (

    select coalesce(sum(claimed + narrower), 0) as conversions
    from claims

),

final as (

    select loaded.conversions
    from loaded
    cross join shown
    where abs(cast(loaded.conversions as double) - shown.conversions) > 0.001

)

select * from final
