-- Key events that web analytics credit to each channel and campaign, week by week.
-- grain: told_by, kind, channel, campaign, week
-- inputs: stg_key_events, int_channel_map, claim_rules
--
-- The first rule of claim_rules.csv that fits the event's name says which kind of conversion it is;
-- rules for one network are not for web analytics. An event that no rule names has the kind ''.

with

rules as (

    select
        row_number() over (
            order by cast(priority as integer), network, action, kind, repeats
        ) as place,
        coalesce(action, '') as action,
        coalesce(kind, '') as kind
    from claim_rules
    where coalesce(network, '') = '' and coalesce(repeats, '') = ''

),

actions as (

    select distinct lower(trim(action)) as action
    from stg_key_events

),

fitting as (

    select
        actions.action,
        min(rules.place) as place
    from actions
    inner join rules
        on rules.action = '' or regexp_matches(actions.action, rules.action)
    group by actions.action

),

final as (

    select
        stg_key_events.told_by,
        coalesce(rules.kind, '') as kind,
        int_channel_map.channel,
        int_channel_map.campaign,
        cast(date_trunc('week', stg_key_events.day) as date) as week,
        cast(sum(stg_key_events.key_events) as double) as key_events
    from stg_key_events
    inner join int_channel_map
        on
            int_channel_map.kind = 'session'
            and stg_key_events.utm_source = int_channel_map.utm_source
            and stg_key_events.utm_medium = int_channel_map.utm_medium
            and stg_key_events.utm_campaign = int_channel_map.utm_campaign
            and stg_key_events.campaign_id = int_channel_map.campaign_id
    left join fitting on lower(trim(stg_key_events.action)) = fitting.action
    left join rules on fitting.place = rules.place
    group by 1, 2, 3, 4, 5

)

select * from final
order by told_by, kind, channel, campaign, week
