-- A hundred draws of what each channel brings, from the posterior of the incremental model.
-- grain: kind, channel, draw
-- inputs: int_panel_conversions
-- beside: int_panel_media, int_panel_journeys, int_panel_holdouts, int_lift_tests,
--   setting_report
--
-- The conversions below are fitted in `attribution/models/incremental.py`, with the other inputs
-- beside them. A draw is a coefficient, how media carry over (`kept`) and saturate (`power`), how
-- late conversions come (`delay`, in weeks), and the conversions that all this comes to.

with

final as (

    select
        kind,
        service_line,
        location,
        week,
        cast(sum(conversions) as bigint) as conversions
    from int_panel_conversions
    group by 1, 2, 3, 4

)

select * from final
