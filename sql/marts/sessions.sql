-- Visits to the web site by channel and campaign, week by week, and how far to trust them.
-- grain: channel, campaign, week
-- inputs: stg_web_sessions, int_channel_map
--
-- A week is sampled, thresholded or folded where any of its rows is.

with

final as (

    select
        int_channel_map.channel,
        int_channel_map.campaign,
        cast(date_trunc('week', stg_web_sessions.day) as date) as week,
        cast(sum(stg_web_sessions.sessions) as bigint) as sessions,
        cast(sum(stg_web_sessions.engaged_sessions) as bigint) as engaged_sessions,
        cast(
            sum(cast(stg_web_sessions.key_events as decimal(18, 6))) as double
        ) as key_events,
        max(case when stg_web_sessions.sampled then 1 else 0 end) = 1 as sampled,
        max(case when stg_web_sessions.thresholded then 1 else 0 end) = 1 as thresholded,
        max(case when stg_web_sessions.other_row then 1 else 0 end) = 1 as other_row
    from stg_web_sessions
    inner join int_channel_map
        on
            int_channel_map.kind = 'session'
            and stg_web_sessions.utm_source = int_channel_map.utm_source
            and stg_web_sessions.utm_medium = int_channel_map.utm_medium
            and stg_web_sessions.utm_campaign = int_channel_map.utm_campaign
            and stg_web_sessions.campaign_id = int_channel_map.campaign_id
    group by 1, 2, 3

)

select * from final
order by channel, campaign, week
