-- The ad platform that each combination of tags came by, of platforms that claim conversions.
-- grain: map_id
-- inputs: int_channel_map, stg_claimed_conversions, platform_rules
--
-- A platform goes by many names: what it is called among visits and among ads is brought together
-- by platform_rules.csv. A campaign's number decides, then the source in a channel that the
-- platform sells, then the campaign's name where one platform alone has it.

with

rules as (

    select
        row_number() over (order by cast(priority as integer), utm_source, platform) as place,
        coalesce(utm_source, '') as utm_source,
        platform
    from platform_rules

),

sources as (

    select distinct utm_source
    from int_channel_map

),

fitting as (

    select
        sources.utm_source,
        min(rules.place) as place
    from sources
    inner join rules on regexp_matches(sources.utm_source, rules.utm_source)
    group by sources.utm_source

),

named as (

    select
        sources.utm_source,
        coalesce(rules.platform, sources.utm_source) as platform
    from sources
    left join fitting on sources.utm_source = fitting.utm_source
    left join rules on fitting.place = rules.place

),

claiming as (

    select distinct named.platform
    from stg_claimed_conversions
    inner join named on stg_claimed_conversions.utm_source = named.utm_source

),

advertised as (

    select
        int_channel_map.channel,
        int_channel_map.campaign,
        int_channel_map.campaign_id,
        named.platform
    from int_channel_map
    inner join named on int_channel_map.utm_source = named.utm_source
    inner join claiming on named.platform = claiming.platform
    where int_channel_map.kind = 'ad_spend'

),

by_id as (

    select
        campaign_id,
        min(platform) as platform
    from advertised
    where campaign_id <> ''
    group by campaign_id
    having count(distinct platform) = 1

),

by_channel as (

    select distinct
        channel,
        platform
    from advertised

),

by_name as (

    select
        channel,
        campaign,
        min(platform) as platform
    from advertised
    where campaign not in ('(none)', '(hidden)')
    group by channel, campaign
    having count(distinct platform) = 1

),

final as (

    select
        int_channel_map.map_id,
        coalesce(by_id.platform, by_channel.platform, by_name.platform) as platform
    from int_channel_map
    inner join named on int_channel_map.utm_source = named.utm_source
    left join by_id on int_channel_map.campaign_id = by_id.campaign_id
    left join by_channel
        on
            int_channel_map.channel = by_channel.channel
            and named.platform = by_channel.platform
    left join by_name
        on
            int_channel_map.channel = by_name.channel
            and int_channel_map.campaign = by_name.campaign
    where coalesce(by_id.platform, by_channel.platform, by_name.platform) is not null

)

select * from final
