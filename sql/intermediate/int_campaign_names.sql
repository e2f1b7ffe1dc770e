-- One name for each campaign id, so that a renamed campaign stays one campaign.
-- grain: campaign_id
-- inputs: stg_ad_spend
--
-- The name of its last day wins; of two names on that day, the later in the alphabet.

with

ranked as (

    select
        campaign_id,
        utm_campaign as campaign,
        row_number() over (
            partition by campaign_id order by day desc, utm_campaign desc
        ) as place
    from stg_ad_spend
    where campaign_id <> '' and utm_campaign <> ''

),

final as (

    select
        campaign_id,
        campaign
    from ranked
    where place = 1

)

select * from final
