-- Every phone call, with the source of the tracking number that was dialled.
-- grain: source, account, call_id
-- inputs: raw_call, identity, stg_tracking_code, stg_ad_click, setting_report
--
-- Calls that were marked as spam are kept raw, and counted nowhere. A number that a spend sheet
-- gave to a campaign says where the call came from, unless the call names a campaign itself. Ten
-- digits without a country's code are a North American number. Where the ad platform tells what the
-- call's click was of, that counts.

with

dialled as (

    select
        raw.source,
        raw.account,
        raw.call_id,
        raw.identifier,
        raw.started_at,
        raw.answered,
        raw.seconds,
        raw.click_id,
        coalesce(raw.outcome, case when raw.answered then 'answered' else 'missed' end) as outcome,
        coalesce(raw.first_time_caller, true) as may_be_first_call,
        coalesce(lower(trim(raw.utm_source)), '') as utm_source,
        coalesce(lower(trim(raw.utm_medium)), '') as utm_medium,
        coalesce(trim(raw.utm_campaign), '') as utm_campaign,
        coalesce(trim(raw.campaign_id), '') as campaign_id,
        coalesce(trim(raw.service_line), '') as service_line,
        coalesce(trim(raw.location), '') as location,
        case
            when
                coalesce(trim(raw.utm_campaign), '') = ''
                and coalesce(trim(raw.campaign_id), '') = ''
                then regexp_replace(raw.tracking_number, '[^0-9]', '', 'g')
        end as digits
    from raw_call as raw
    where coalesce(raw.outcome, '') <> 'spam'

),

final as (

    select
        dialled.source,
        dialled.account,
        dialled.call_id,
        identity.person_id,
        dialled.started_at,
        dialled.answered,
        dialled.seconds,
        dialled.outcome,
        dialled.may_be_first_call,
        coalesce(stg_ad_click.utm_source, stg_tracking_code.utm_source, dialled.utm_source)
            as utm_source,
        coalesce(stg_ad_click.utm_medium, stg_tracking_code.utm_medium, dialled.utm_medium)
            as utm_medium,
        coalesce(stg_ad_click.utm_campaign, stg_tracking_code.utm_campaign, dialled.utm_campaign)
            as utm_campaign,
        coalesce(stg_ad_click.campaign_id, stg_tracking_code.campaign_id, dialled.campaign_id)
            as campaign_id,
        coalesce(
            nullif(dialled.service_line, ''), stg_tracking_code.service_line, ''
        ) as service_line,
        coalesce(nullif(dialled.location, ''), stg_tracking_code.location, '') as location
    from dialled
    cross join setting_report
    left join identity on dialled.identifier = identity.identifier
    left join stg_ad_click on dialled.click_id = stg_ad_click.click_id
    left join stg_tracking_code
        on
            stg_tracking_code.kind = 'number'
            and stg_tracking_code.code
            = case when length(dialled.digits) = 10 then '+1' else '+' end || dialled.digits
            and cast(dialled.started_at at time zone setting_report.timezone as date)
            between stg_tracking_code.first_day and stg_tracking_code.last_day

)

select * from final
