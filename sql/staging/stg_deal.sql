-- Every inquiry that the CRM works on as a piece of business, and how it stands.
-- grain: source, account, deal_id
-- inputs: raw_deal, identity

with

final as (

    select
        raw.source,
        raw.account,
        raw.deal_id,
        identity.person_id,
        raw.created_at,
        raw.closed_at,
        case
            when raw.won then 'won'
            when raw.won is null then 'open'
            else 'lost'
        end as state,
        raw.amount_micros,
        coalesce(raw.currency, '') as currency,
        coalesce(raw.stage_dates, '') as stage_dates,
        coalesce(trim(raw.service_line), '') as service_line,
        coalesce(trim(raw.location), '') as location
    from raw_deal as raw
    left join identity on raw.identifier = identity.identifier

)

select * from final
