-- Silent people of today by months of silence, service line and location, and what they may bring.
-- grain: months_silent, service_line, location, currency
-- inputs: int_return_scores, setting_report
--
-- `returns` is how many of them are expected to book again unasked within six months,
-- `value_micros` what a return is worth on average in this group, and `email_people` and
-- `sms_people` how many of them allowed marketing that way and did not refuse since, also by STOP.

with

final as (

    select
        int_return_scores.months_silent,
        int_return_scores.service_line,
        int_return_scores.location,
        setting_report.currency,
        count(*) as people,
        cast(sum(int_return_scores.takes_email) as bigint) as email_people,
        cast(sum(int_return_scores.takes_sms) as bigint) as sms_people,
        round(sum(int_return_scores.chance), 6) as returns,
        cast(round(avg(int_return_scores.value_micros)) as bigint) as value_micros
    from int_return_scores
    cross join setting_report
    group by 1, 2, 3, 4

)

select * from final
order by months_silent, service_line, location, currency
