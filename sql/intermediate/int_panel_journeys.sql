-- How many conversions' journeys ended with each channel in a week, and whether it has media.
-- grain: kind, channel, week
-- inputs: int_journey_touches, int_conversions, int_channel_map, int_panel_media, int_reach
--
-- Of the weeks of the panel. Only the proportion between kinds is used: most visits are routine,
-- and no channel's.

with

channels as (

    select distinct
        channel_id,
        channel
    from int_channel_map

),

pressing as (

    select distinct channel
    from int_panel_media

),

final as (

    select
        int_conversions.kind,
        channels.channel,
        int_conversions.week,
        case when pressing.channel is null then 0 else 1 end as has_media,
        cast(sum(int_conversions.conversions) as bigint) as journeys
    from int_journey_touches as touches
    inner join int_conversions on touches.conversion_id = int_conversions.conversion_id
    inner join int_reach on int_conversions.week <= int_reach.last_day
    inner join channels on touches.channel_id = channels.channel_id
    left join pressing on channels.channel = pressing.channel
    where touches.step = touches.steps and int_conversions.conversions > 0
    group by 1, 2, 3, 4

)

select * from final
