-- Under every model, credit adds up to what was converted: in every cell, to the cent.
-- inputs: credit, conversions

with

models as (

    select distinct model
    from credit

),

expected as (

    select
        models.model,
        conversions.kind,
        conversions.service_line,
        conversions.location,
        conversions.week,
        conversions.currency,
        conversions.conversions,
        conversions.value_micros
    from conversions
    cross join models

),

credited as (

    select
        model,
        kind,
        service_line,
        location,
        week,
        currency,
        sum(conversions) as conversions,
        sum(value_micros) as value_micros
    from credit
    group by 1, 2, 3, 4, 5, 6

),

final as (

    select
        coalesce(expected.model, credited.model) as model,
        coalesce(expected.kind, credited.kind) as kind,
        coalesce(expected.week, credited.week) as week,
        expected.conversions as converted,
        credited.conversions as credited
    from expected
    full outer join credited
        on
            expected.model = credited.model
            and expected.kind = credited.kind
            and expected.service_line = credited.service_line
            and expected.location = credited.location
            and expected.week = credited.week
            and expected.currency = credited.currency
    where
        abs(coalesce(expected.conversions, 0) - coalesce(credited.conversions, 0)) > 0.000001
        or coalesce(expected.value_micros, 0) <> coalesce(credited.value_micros, 0)

)

select * from final
