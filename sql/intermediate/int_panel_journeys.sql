-- How many conversions' journeys ended with each channel, and whether the channel has media.
-- grain: kind, channel
-- inputs: int_states, int_channel_map, int_panel_media
--
-- Only the proportion between kinds is used: most visits are routine, and no channel's.

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
        int_states.kind,
        channels.channel,
        case when pressing.channel is null then 0 else 1 end as has_media,
        cast(sum(int_states.journeys) as bigint) as journeys
    from int_states
    inner join channels on int_states.channel_id = channels.channel_id
    left join pressing on channels.channel = pressing.channel
    where int_states.is_won and int_states.is_last
    group by 1, 2, 3

)

select * from final
