-- Every week of every mart is a Monday.
-- inputs: credit, conversions, spend, sessions, claims, claim_credit

with

weeks as (

    select week
    from credit
    union
    select week
    from conversions
    union
    select week
    from spend
    union
    select week
    from sessions
    union
    select week
    from claims
    union
    select week
    from claim_credit

),

final as (

    select week
    from weeks
    where week is null or week <> cast(date_trunc('week', week) as date)

)

select * from final
