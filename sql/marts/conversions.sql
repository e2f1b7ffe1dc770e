-- What was converted, week by week: leads, bookings, kept visits, new patients and money.
-- grain: kind, service_line, location, week, currency
-- inputs: int_conversions
--
-- `people` leaves out those whom nobody could identify; `conversions` counts them.

with

final as (

    select
        kind,
        service_line,
        location,
        week,
        currency,
        cast(sum(conversions) as bigint) as conversions,
        count(distinct person_id) as people,
        cast(sum(value_micros) as bigint) as value_micros
    from int_conversions
    group by 1, 2, 3, 4, 5

)

select * from final
order by kind, service_line, location, week, currency
