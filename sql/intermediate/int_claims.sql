-- Each claim with the kind of conversion it is of, and whether it tells another one again.
-- grain: source, account, map_id, ad_group_id, day, action, attribution_window, counted_by
-- inputs: stg_claimed_conversions, int_channel_map, int_platforms, claim_rules
--
-- The first rule of claim_rules.csv that fits says of which kind an action is, and which action
-- counts the same conversions; it repeats that one where its source loads both. A longer window
-- holds the shorter ones: of those that differ in nothing else the longest is counted, the others
-- are `is_narrower`. An action that no rule names is of no kind and is compared with nothing.

with

actions as (

    select distinct
        source,
        account,
        utm_source,
        lower(trim(action)) as action
    from stg_claimed_conversions

),

rules as (

    select
        row_number() over (
            order by cast(priority as integer), network, action, kind, repeats
        ) as place,
        coalesce(network, '') as network,
        coalesce(action, '') as action,
        coalesce(kind, '') as kind,
        coalesce(repeats, '') as repeats
    from claim_rules

),

fitting as (

    select
        actions.utm_source,
        actions.action,
        min(rules.place) as place
    from actions
    inner join rules
        on
            (rules.network = '' or regexp_matches(actions.utm_source, rules.network))
            and (rules.action = '' or regexp_matches(actions.action, rules.action))
    group by actions.utm_source, actions.action

),

repeating as (

    select distinct
        actions.source,
        actions.account,
        actions.utm_source,
        actions.action
    from actions
    inner join fitting
        on actions.utm_source = fitting.utm_source and actions.action = fitting.action
    inner join rules on fitting.place = rules.place
    inner join actions as others
        on
            actions.source = others.source
            and actions.account = others.account
            and rules.repeats = others.action
            and actions.action <> others.action

),

final as (

    select
        claims.source,
        claims.account,
        claims.ad_group_id,
        claims.day,
        claims.action,
        claims.attribution_window,
        claims.counted_by,
        claims.window_days,
        claims.dated,
        claims.conversions,
        int_channel_map.map_id,
        int_platforms.platform,
        coalesce(rules.kind, '') as kind,
        repeating.action is not null as is_repeat,
        row_number() over (
            partition by
                claims.source,
                claims.account,
                int_channel_map.map_id,
                claims.ad_group_id,
                claims.day,
                claims.action,
                claims.counted_by
            order by claims.window_days desc, claims.attribution_window asc
        ) > 1 as is_narrower
    from stg_claimed_conversions as claims
    inner join int_channel_map
        on
            int_channel_map.kind = 'ad_spend'
            and claims.utm_source = int_channel_map.utm_source
            and claims.utm_medium = int_channel_map.utm_medium
            and claims.utm_campaign = int_channel_map.utm_campaign
            and claims.campaign_id = int_channel_map.campaign_id
    inner join int_platforms on int_channel_map.map_id = int_platforms.map_id
    left join fitting
        on
            claims.utm_source = fitting.utm_source
            and lower(trim(claims.action)) = fitting.action
    left join rules on fitting.place = rules.place
    left join repeating
        on
            claims.source = repeating.source
            and claims.account = repeating.account
            and claims.utm_source = repeating.utm_source
            and lower(trim(claims.action)) = repeating.action

)

select * from final
