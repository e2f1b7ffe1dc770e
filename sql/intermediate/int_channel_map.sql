-- The channel and the campaign of each combination, by the first channel rule that fits.
-- grain: kind, utm_source, utm_medium, utm_campaign, campaign_id
-- inputs: int_combinations, int_campaign_names, channel_rules
--
-- A campaign is named as the ad platform names it, found by id, else by name in any case.
-- `channel_id` numbers the channels: many rows are grouped by a number, not by text.
-- Names that look like an address or an identifier are hidden: tags are typed by people.

with

combinations as (

    select distinct
        kind,
        utm_source,
        utm_medium,
        utm_campaign,
        campaign_id
    from int_combinations

),

numbered as (

    select
        kind,
        utm_source,
        utm_medium,
        utm_campaign,
        campaign_id,
        cast(
            row_number() over (
                order by kind, utm_source, utm_medium, utm_campaign, campaign_id
            ) as integer
        ) as map_id
    from combinations

),

rules as (

    select
        row_number() over (
            order by
                cast(priority as integer), kind, utm_source, utm_medium, utm_campaign, channel
        ) as place,
        coalesce(kind, '') as kind,
        coalesce(utm_source, '') as utm_source,
        coalesce(utm_medium, '') as utm_medium,
        coalesce(utm_campaign, '') as utm_campaign,
        channel
    from channel_rules

),

fitting as (

    select
        numbered.map_id,
        min(rules.place) as place
    from numbered
    inner join rules
        on
            (
                rules.kind = ''
                or regexp_matches(numbered.kind, rules.kind)
            )
            and (
                rules.utm_source = ''
                or regexp_matches(numbered.utm_source, rules.utm_source)
            )
            and (
                rules.utm_medium = ''
                or regexp_matches(numbered.utm_medium, rules.utm_medium)
            )
            and (
                rules.utm_campaign = ''
                or regexp_matches(lower(numbered.utm_campaign), rules.utm_campaign)
            )
    group by numbered.map_id

),

names as (

    select
        lower(campaign) as name,
        max(campaign) as campaign
    from int_campaign_names
    group by 1

),

named as (

    select
        numbered.map_id,
        coalesce(
            int_campaign_names.campaign,
            names.campaign,
            case
                when
                    lower(numbered.utm_campaign) in (
                        '', '(not set)', '(direct)', '(organic)', '(referral)', '(none)'
                    )
                    then '(none)'
                else numbered.utm_campaign
            end
        ) as campaign
    from numbered
    left join int_campaign_names on numbered.campaign_id = int_campaign_names.campaign_id
    left join names on lower(numbered.utm_campaign) = names.name

),

mapped as (

    select
        numbered.map_id,
        numbered.kind,
        numbered.utm_source,
        numbered.utm_medium,
        numbered.utm_campaign,
        numbered.campaign_id,
        coalesce(rules.channel, 'unmapped') as channel,
        case
            when regexp_matches(named.campaign, '[^ @]+(@|%40)[^ @]+[.]|[0-9a-fA-F]{32}')
                then '(hidden)'
            else named.campaign
        end as campaign
    from numbered
    inner join named on numbered.map_id = named.map_id
    left join fitting on numbered.map_id = fitting.map_id
    left join rules on fitting.place = rules.place

),

final as (

    select
        map_id,
        kind,
        utm_source,
        utm_medium,
        utm_campaign,
        campaign_id,
        cast(dense_rank() over (order by channel) as integer) as channel_id,
        channel,
        campaign
    from mapped

)

select * from final
