-- Appointments that were kept or missed, and how long before the kept ones had been booked.
-- grain: week, service_line, location
-- inputs: stg_appointment, setting_report
--
-- Of the week that they were for. Cancelled ones are neither. `ahead` are kept ones of which the
-- booking is known and came before, `days_ahead` their days from the booking to the visit.

with

dated as (

    select
        cast(stg_appointment.starts_at at time zone setting_report.timezone as date) as day,
        cast(stg_appointment.booked_at at time zone setting_report.timezone as date) as booked_day,
        stg_appointment.service_line,
        stg_appointment.location,
        stg_appointment.is_kept
    from stg_appointment
    cross join setting_report
    where stg_appointment.is_kept or stg_appointment.status = 'noshow'

),

final as (

    select
        cast(date_trunc('week', day) as date) as week,
        service_line,
        location,
        cast(sum(case when is_kept then 1 else 0 end) as bigint) as kept,
        cast(sum(case when is_kept then 0 else 1 end) as bigint) as missed,
        cast(sum(case when is_kept and booked_day <= day then 1 else 0 end) as bigint) as ahead,
        cast(
            sum(
                case
                    when is_kept and booked_day <= day then date_diff('day', booked_day, day)
                    else 0
                end
            ) as bigint
        ) as days_ahead
    from dated
    where day is not null
    group by 1, 2, 3

)

select * from final
order by week, service_line, location
