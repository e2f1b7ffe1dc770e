-- What no channel rule names yet: sources and mediums to add to channel_rules.csv.
-- grain: origin, utm_source, utm_medium, utm_campaign
-- inputs: int_combinations, int_channel_map

with

hidden as (

    select
        int_combinations.origin,
        case
            when
                regexp_matches(
                    int_combinations.utm_source, '[^ @]+(@|%40)[^ @]+[.]|[0-9a-fA-F]{32}'
                )
                then '(hidden)'
            else int_combinations.utm_source
        end as utm_source,
        case
            when
                regexp_matches(
                    int_combinations.utm_medium, '[^ @]+(@|%40)[^ @]+[.]|[0-9a-fA-F]{32}'
                )
                then '(hidden)'
            else int_combinations.utm_medium
        end as utm_medium,
        int_channel_map.campaign as utm_campaign,
        int_combinations.rows_seen,
        int_combinations.spend_micros,
        int_combinations.first_day,
        int_combinations.last_day
    from int_combinations
    inner join int_channel_map
        on
            int_combinations.kind = int_channel_map.kind
            and int_combinations.utm_source = int_channel_map.utm_source
            and int_combinations.utm_medium = int_channel_map.utm_medium
            and int_combinations.utm_campaign = int_channel_map.utm_campaign
            and int_combinations.campaign_id = int_channel_map.campaign_id
    where int_channel_map.channel = 'unmapped'

),

final as (

    select
        origin,
        utm_source,
        utm_medium,
        utm_campaign,
        cast(sum(rows_seen) as bigint) as rows_seen,
        cast(sum(spend_micros) as bigint) as spend_micros,
        min(first_day) as first_day,
        max(last_day) as last_day
    from hidden
    group by 1, 2, 3, 4

)

select * from final
order by origin, utm_source, utm_medium, utm_campaign
