-- The service line and the location that each campaign speaks for.
-- grain: campaign
-- inputs: int_channel_map, stg_appointment, stg_encounter, campaign_rules
--
-- A rule of campaign_rules.csv wins. Without one, a campaign is for the service line or the
-- location of the medical record whose name it holds in whole words, or for the service line
-- that a word of it (of four letters or more, among the first eight) begins: "ortho" is for
-- "orthopedics". The longest hit wins; where two names are hit alike, neither is taken.

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

numbers as (

    select 1 as number
    union all
    select 2 as number
    union all
    select 3 as number
    union all
    select 4 as number
    union all
    select 5 as number
    union all
    select 6 as number
    union all
    select 7 as number
    union all
    select 8 as number

),

spelled as (

    select
        campaign,
        replace(replace(lower(campaign), '_', ' '), '-', ' ') as words
    from campaigns

),

words as (

    select
        spelled.campaign,
        split_part(spelled.words, ' ', numbers.number) as word
    from spelled
    cross join numbers

),

seen_names as (

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

names as (

    select
        dimension,
        name,
        replace(replace(lower(name), '_', ' '), '-', ' ') as words
    from seen_names
    where name <> 'unassigned'

),

hits as (

    select
        spelled.campaign,
        names.dimension,
        names.name,
        length(names.words) as letters
    from spelled
    inner join names
        on strpos(' ' || spelled.words || ' ', ' ' || names.words || ' ') > 0
    union all
    select
        words.campaign,
        names.dimension,
        names.name,
        length(words.word) as letters
    from words
    inner join names
        on
            names.dimension = 'service_line'
            and length(words.word) > 3
            and strpos(names.words, words.word) = 1

),

longest as (

    select
        campaign,
        dimension,
        max(letters) as letters
    from hits
    group by 1, 2

),

found as (

    select
        hits.campaign,
        hits.dimension,
        min(hits.name) as name
    from hits
    inner join longest
        on
            hits.campaign = longest.campaign
            and hits.dimension = longest.dimension
            and hits.letters = longest.letters
    group by 1, 2
    having count(distinct hits.name) = 1

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
    left join found as places
        on
            campaigns.campaign = places.campaign
            and places.dimension = 'location'

)

select * from final
