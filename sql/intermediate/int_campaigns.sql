-- The service line and the location that each campaign speaks for.
-- grain: campaign
-- inputs: int_channel_map, stg_appointment, stg_encounter, campaign_rules
--
-- A rule of campaign_rules.csv wins. Without one, a campaign whose name holds the name of a
-- service line or a location of the medical record is taken to be for it; the longest wins.

with

campaigns as (

    select distinct campaign
    from int_channel_map
    where campaign not in ('(none)', '(hidden)')

),

rules as (

    select
        row_number() over (
            order by cast(priority as integer), utm_campaign, service_line, location
        ) as place,
        coalesce(utm_campaign, '') as utm_campaign,
        coalesce(service_line, '') as service_line,
        coalesce(location, '') as location
    from campaign_rules

),

ruled as (

    select
        campaigns.campaign,
        min(case when rules.service_line <> '' then rules.place end) as line_place,
        min(case when rules.location <> '' then rules.place end) as location_place
    from campaigns
    inner join rules on regexp_matches(lower(campaigns.campaign), rules.utm_campaign)
    group by campaigns.campaign

),

names as (

    select
        'service_line' as dimension,
        service_line as name
    from stg_appointment
    union
    select
        'service_line' as dimension,
        service_line as name
    from stg_encounter
    union
    select
        'location' as dimension,
        location as name
    from stg_appointment
    union
    select
        'location' as dimension,
        location as name
    from stg_encounter

),

found as (

    select
        campaigns.campaign,
        names.dimension,
        names.name,
        row_number() over (
            partition by campaigns.campaign, names.dimension
            order by length(names.name) desc, names.name
        ) as place
    from campaigns
    inner join names
        on
            length(names.name) > 3
            and names.name <> 'unassigned'
            and strpos(
                replace(replace(lower(campaigns.campaign), '_', ' '), '-', ' '),
                replace(replace(lower(names.name), '_', ' '), '-', ' ')
            ) > 0

),

final as (

    select
        campaigns.campaign,
        coalesce(line_rules.service_line, lines.name, 'unassigned') as service_line,
        coalesce(place_rules.location, places.name, 'unassigned') as location
    from campaigns
    left join ruled on campaigns.campaign = ruled.campaign
    left join rules as line_rules on ruled.line_place = line_rules.place
    left join rules as place_rules on ruled.location_place = place_rules.place
    left join found as lines
        on
            campaigns.campaign = lines.campaign
            and lines.dimension = 'service_line'
            and lines.place = 1
    left join found as places
        on
            campaigns.campaign = places.campaign
            and places.dimension = 'location'
            and places.place = 1

)

select * from final
