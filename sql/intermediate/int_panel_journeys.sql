-- How many conversions' journeys ended with each channel, and whether the channel has media.
-- grain: kind, channel
-- inputs: int_transitions, int_panel_media
--
-- Only the proportion between kinds is used: most visits are routine, and no channel's.

with

pressing as (

    select distinct channel
    from int_panel_media

),

final as (

    select
        int_transitions.kind,
        int_transitions.origin as channel,
        case when pressing.channel is null then 0 else 1 end as has_media,
        cast(sum(int_transitions.journeys) as bigint) as journeys
    from int_transitions
    left join pressing on int_transitions.origin = pressing.channel
    where int_transitions.target = '(conversion)'
    group by 1, 2, 3

)

select * from final
