-- Every recorded contact of a person with the organisation's marketing, one row each.
-- grain: source, account, touch_id
-- inputs: raw_touchpoint, identity, stg_tracking_code, stg_ad_click, setting_report
--
-- Placeholders of web analytics, such as "(not set)", mean nothing and become empty. A campaign
-- that is the code of a spend sheet stands for the campaign that was given the code. Where the ad
-- platform tells what the touch's click was of, that counts instead of tags.

with

told as (

    select
        raw.source,
        raw.account,
        raw.touch_id,
        raw.identifier,
        raw.at as touched_at,
        raw.kind,
        raw.click_id,
        case
            when lower(trim(raw.utm_source)) in ('(not set)', '(none)') then ''
            else coalesce(lower(trim(raw.utm_source)), '')
        end as utm_source,
        case
            when lower(trim(raw.utm_medium)) in ('(not set)', '(none)') then ''
            else coalesce(lower(trim(raw.utm_medium)), '')
        end as utm_medium,
        coalesce(trim(raw.utm_campaign), '') as utm_campaign,
        coalesce(trim(raw.campaign_id), '') as campaign_id,
        coalesce(trim(raw.service_line), '') as service_line,
        coalesce(trim(raw.location), '') as location
    from raw_touchpoint as raw

),

final as (

    select
        told.source,
        told.account,
        told.touch_id,
        identity.person_id,
        told.touched_at,
        told.kind,
        coalesce(stg_ad_click.utm_source, stg_tracking_code.utm_source, told.utm_source)
            as utm_source,
        coalesce(stg_ad_click.utm_medium, stg_tracking_code.utm_medium, told.utm_medium)
            as utm_medium,
        coalesce(stg_ad_click.utm_campaign, stg_tracking_code.utm_campaign, told.utm_campaign)
            as utm_campaign,
        coalesce(stg_ad_click.campaign_id, stg_tracking_code.campaign_id, told.campaign_id)
            as campaign_id,
        coalesce(
            nullif(told.service_line, ''), stg_tracking_code.service_line, ''
        ) as service_line,
        coalesce(nullif(told.location, ''), stg_tracking_code.location, '') as location
    from told
    cross join setting_report
    left join identity on told.identifier = identity.identifier
    left join stg_ad_click on told.click_id = stg_ad_click.click_id
    left join stg_tracking_code
        on
            stg_tracking_code.kind = 'code'
            and stg_tracking_code.code = lower(told.utm_campaign)
            and cast(told.touched_at at time zone setting_report.timezone as date)
            between stg_tracking_code.first_day and stg_tracking_code.last_day

)

select * from final
