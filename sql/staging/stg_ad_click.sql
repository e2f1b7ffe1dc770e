-- What each click id was of, as the ad platform tells: a campaign, for whoever carries the id.
-- grain: click_id
-- inputs: raw_ad_click

with

final as (

    select
        click_id,
        coalesce(lower(trim(network)), '') as utm_source,
        coalesce(lower(trim(medium)), '') as utm_medium,
        coalesce(trim(campaign), '') as utm_campaign,
        coalesce(trim(campaign_id), '') as campaign_id
    from raw_ad_click
    qualify row_number() over (
        partition by click_id order by day desc, source asc, account asc
    ) = 1

)

select * from final
