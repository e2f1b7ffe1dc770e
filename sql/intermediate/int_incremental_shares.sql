-- The share of a cell's conversions that each campaign brought, week by week.
-- grain: kind, channel, campaign, service_line, location, week
-- inputs: int_incremental_draws
-- beside: int_panel_conversions, int_panel_media
--
-- The mean over the draws below, made in `attribution/models/incremental_shares.py`. Campaigns
-- share their channel's part by what each of them pressed with, carried over.

with

final as (

    select
        kind,
        channel,
        draw,
        kept,
        power,
        delay,
        coefficient
    from int_incremental_draws

)

select * from final
