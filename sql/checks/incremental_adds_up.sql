-- What channels brought and the baseline are what was converted, in every cell, and never below 0.
-- inputs: int_incremental, conversions

with

together as (

    select
        kind,
        service_line,
        location,
        week,
        currency,
        sum(conversions) as conversions,
        cast(sum(value_micros) as bigint) as value_micros,
        min(conversions) as least,
        cast(min(case when channel <> 'baseline' then value_micros else 0 end) as bigint)
            as least_micros
    from int_incremental
    group by 1, 2, 3, 4, 5

),

final as (

    select
        coalesce(conversions.kind, together.kind) as kind,
        coalesce(conversions.week, together.week) as week,
        conversions.conversions as converted,
        together.conversions as brought
    from conversions
    full outer join together
        on
            conversions.kind = together.kind
            and conversions.service_line = together.service_line
            and conversions.location = together.location
            and conversions.week = together.week
            and conversions.currency = together.currency
    where
        abs(coalesce(conversions.conversions, 0) - coalesce(together.conversions, 0)) > 0.000001
        or coalesce(conversions.value_micros, 0) <> coalesce(together.value_micros, 0)
        or together.least < 0
        or together.least_micros < 0

)

select * from final
