-- What each ad group cost and got on each day.
-- grain: source, account, campaign_id, ad_group_id, day
-- inputs: raw_ad_spend

with

final as (

    select
        source,
        account,
        campaign_id,
        ad_group_id,
        day,
        lower(trim(network)) as utm_source,
        lower(trim(medium)) as utm_medium,
        trim(campaign) as utm_campaign,
        coalesce(trim(service_line), '') as service_line,
        coalesce(trim(location), '') as location,
        currency,
        spend_micros,
        impressions,
        clicks,
        claimed_conversions,
        claimed_value_micros
    from raw_ad_spend

)

select * from final
