-- From what a platform could claim by a click, the causes lead to what each model credits.
-- inputs: claims, claim_credit

with

models as (

    select distinct model
    from claim_credit

),

steps as (

    select
        models.model,
        claims.kind,
        claims.platform,
        claims.channel,
        claims.campaign,
        claims.week,
        cast(claims.clicked as double) as amount
    from claims
    cross join models
    union all
    select
        model,
        kind,
        platform,
        channel,
        campaign,
        week,
        -attributed - other_platforms - other_channels - own_campaigns - window_gap - by_effect
            as amount
    from claim_credit

),

final as (

    select
        model,
        kind,
        platform,
        channel,
        campaign,
        week
    from steps
    group by 1, 2, 3, 4, 5, 6
    having abs(sum(amount)) > 0.000001

)

select * from final
