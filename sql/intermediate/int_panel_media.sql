-- What each campaign pressed with, by place and week: money, what it bought, and messages sent.
-- grain: channel, campaign, service_line, location, week, currency
-- inputs: int_costs, int_campaigns, int_channel_map, stg_message, int_reach, setting_report
--
-- `unassigned` speaks for every service line, or every location. Messages have no currency. Weeks
-- to come are left out, though flights may be booked for them.

with

messages as (

    select
        int_channel_map.channel,
        int_channel_map.campaign,
        coalesce(int_campaigns.service_line, 'unassigned') as service_line,
        coalesce(int_campaigns.location, 'unassigned') as location,
        cast(stg_message.sent_at at time zone setting_report.timezone as date) as day,
        1 as messages
    from stg_message
    cross join setting_report
    inner join int_channel_map
        on
            int_channel_map.kind = 'outreach'
            and int_channel_map.utm_source = ''
            and stg_message.utm_medium = int_channel_map.utm_medium
            and stg_message.flow = int_channel_map.utm_campaign
            and int_channel_map.campaign_id = ''
    left join int_campaigns on int_channel_map.campaign = int_campaigns.campaign
    where
        stg_message.was_sent
        and not stg_message.is_mailing
        and stg_message.purpose = 'marketing'

),

pressed as (

    select
        channel,
        campaign,
        service_line,
        location,
        day,
        currency,
        spend_micros,
        impressions,
        clicks,
        0 as messages
    from int_costs
    union all
    select
        channel,
        campaign,
        service_line,
        location,
        day,
        '' as currency,
        0 as spend_micros,
        0 as impressions,
        0 as clicks,
        messages
    from messages

),

final as (

    select
        pressed.channel,
        pressed.campaign,
        pressed.service_line,
        pressed.location,
        cast(date_trunc('week', pressed.day) as date) as week,
        pressed.currency,
        cast(sum(pressed.spend_micros) as bigint) as spend_micros,
        cast(sum(pressed.impressions) as bigint) as impressions,
        cast(sum(pressed.clicks) as bigint) as clicks,
        cast(sum(pressed.messages) as bigint) as messages
    from pressed
    inner join int_reach
        on cast(date_trunc('week', pressed.day) as date) <= int_reach.last_day
    where pressed.channel <> 'unmapped'
    group by 1, 2, 3, 4, 5, 6

)

select * from final
