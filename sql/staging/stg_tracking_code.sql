-- From which day to which a phone number or a code belonged to which campaign.
-- grain: kind, code, first_day
-- inputs: raw_tracking_code
--
-- It is a campaign's until another one is given it, or as long as it was given for. Where two
-- campaigns are given it on one day, nobody can tell whose it is, and it is neither's from then on.

with

given as (

    select
        kind,
        trim(code) as code,
        valid_from,
        min(campaign_id) as campaign_id,
        count(distinct campaign_id) as campaigns,
        min(trim(campaign)) as utm_campaign,
        min(lower(trim(network))) as utm_source,
        min(lower(trim(medium))) as utm_medium,
        case when count(distinct service_line) = 1 then min(trim(service_line)) end
            as service_line,
        case when count(distinct location) = 1 then min(trim(location)) end as location,
        max(coalesce(valid_until, date '9999-12-31')) as valid_until
    from raw_tracking_code
    group by 1, 2, 3

),

spans as (

    select
        *,
        lead(valid_from) over (partition by kind, code order by valid_from) as next_from
    from given

),

final as (

    select
        kind,
        code,
        valid_from as first_day,
        case
            when next_from is not null and next_from <= valid_until
                then cast(next_from - interval '1' day as date)
            else valid_until
        end as last_day,
        campaign_id,
        utm_source,
        utm_medium,
        utm_campaign,
        service_line,
        location
    from spans
    where campaigns = 1

)

select * from final
