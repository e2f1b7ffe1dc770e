-- What journeys credit each channel with under the linear rule, since the first week of media.
-- grain: kind, channel
-- inputs: credit_groups, int_panel_media
--
-- Only its proportion between kinds is used: most visits are routine, and no channel's.

with

media as (

    select
        channel,
        min(week) over () as first_week
    from int_panel_media

),

channels as (

    select distinct
        channel,
        first_week
    from media

),

bounds as (

    select min(first_week) as first_week
    from channels

),

final as (

    select
        credit_groups.kind,
        credit_groups.channel,
        case when channels.channel is null then 0 else 1 end as has_media,
        cast(
            cast(sum(cast(credit_groups.linear_conversions as decimal(38, 9))) as decimal(38, 9))
            as double
        ) as conversions
    from credit_groups
    cross join bounds
    left join channels on credit_groups.channel = channels.channel
    where bounds.first_week is null or credit_groups.week >= bounds.first_week
    group by 1, 2, 3

)

select * from final
