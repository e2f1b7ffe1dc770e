-- Conversions by place and week: the panel that incremental credit is learned from.
-- grain: kind, service_line, location, week, currency
-- inputs: int_conversions

with

final as (

    select
        kind,
        service_line,
        location,
        week,
        currency,
        cast(sum(conversions) as bigint) as conversions,
        cast(sum(value_micros) as bigint) as value_micros
    from int_conversions
    group by 1, 2, 3, 4, 5

)

select * from final
