-- A hundred draws of what each channel brings in a week, as a curve of what it is given.
-- grain: kind, channel, draw
-- inputs: int_panel_conversions, setting_report
-- beside: int_panel_media, int_panel_journeys, int_panel_holdouts, int_lift_tests,
--   setting_report, int_reported
--
-- A week's conversions at a steady spend are `top * spend / (spend + half)`, in money of reports;
-- of `collected` they are money too. `brought` and `spend` are those of the last year that is
-- fitted, `today` is a week's spend of the last quarter, whatever is counted, `least` and `most`
-- are the ends of a week's spend in any four weeks. Fitted in `attribution/models/mix.py` from the
-- rows below and the tables beside them. Money is missing where a channel has none, or none in that
-- currency.

with

final as (

    select
        int_panel_conversions.kind,
        int_panel_conversions.service_line,
        int_panel_conversions.location,
        int_panel_conversions.week,
        cast(sum(int_panel_conversions.conversions) as bigint) as conversions,
        cast(
            sum(
                case
                    when int_panel_conversions.currency = setting_report.currency
                        then int_panel_conversions.value_micros
                    else 0
                end
            ) as bigint
        ) as value_micros
    from int_panel_conversions
    cross join setting_report
    group by 1, 2, 3, 4

)

select * from final
