-- Conversions by place and week: the panel that incremental credit is learned from.
-- grain: kind, service_line, location, week, currency
-- inputs: int_conversions, int_reach
--
-- Weeks to come are left out: what is booked ahead without the day of its booking is counted in
-- them, and they are no weeks in which a channel pressed or did not.

with

final as (

    select
        int_conversions.kind,
        int_conversions.service_line,
        int_conversions.location,
        int_conversions.week,
        int_conversions.currency,
        cast(sum(int_conversions.conversions) as bigint) as conversions,
        cast(sum(int_conversions.value_micros) as bigint) as value_micros
    from int_conversions
    inner join int_reach on int_conversions.week <= int_reach.last_day
    group by 1, 2, 3, 4, 5

)

select * from final
