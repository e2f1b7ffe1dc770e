-- Who came back after months of silence: treated, held out, or left alone, step by step.
-- grain: cohort_month, campaign, channel, months_silent, service_line, location, arm, currency
-- inputs: int_reactivation_outcomes, setting_report
--
-- Each count is of people. Booked and kept: within 90 days of the assignment; retained: again
-- within 180 days of that visit; value: collected within 180 days, in the report's currency.
-- Who keeps a visit has booked it, and who books after a message was engaged by it, whatever
-- the mail program told. Held-out people cannot be contacted or engaged.

with

final as (

    select
        outcomes.cohort_month,
        outcomes.campaign,
        outcomes.channel,
        outcomes.months_silent,
        outcomes.service_line,
        outcomes.location,
        outcomes.arm,
        count(*) as silent,
        cast(sum(outcomes.contacted) as bigint) as contacted,
        cast(
            sum(
                case
                    when outcomes.contacted = 1 and outcomes.responded + outcomes.booked > 0 then 1
                    else 0
                end
            ) as bigint
        ) as engaged,
        cast(sum(outcomes.booked) as bigint) as booked,
        cast(sum(outcomes.kept) as bigint) as kept,
        cast(sum(outcomes.retained) as bigint) as retained,
        setting_report.currency,
        cast(sum(outcomes.value_micros) as bigint) as value_micros
    from int_reactivation_outcomes as outcomes
    cross join setting_report
    group by
        outcomes.cohort_month,
        outcomes.campaign,
        outcomes.channel,
        outcomes.months_silent,
        outcomes.service_line,
        outcomes.location,
        outcomes.arm,
        setting_report.currency

)

select * from final
order by
    cohort_month, campaign, channel, months_silent, service_line, location, arm, currency
