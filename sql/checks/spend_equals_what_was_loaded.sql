-- The spend of the mart is the spend that the sources reported, in every currency.
-- inputs: raw_ad_spend, raw_message, raw_message_event, raw_withdrawn, setting_report, spend
--
-- Messages with a price are spend of their outreach channel, unless they were withdrawn.

with

costs as (

    select
        currency,
        spend_micros
    from raw_ad_spend
    union all
    select
        coalesce(raw_message.currency, setting_report.currency) as currency,
        raw_message.cost_micros as spend_micros
    from raw_message
    cross join setting_report
    left join raw_withdrawn as withdrawn
        on
            raw_message.source = withdrawn.source
            and raw_message.account = withdrawn.account
            and withdrawn.table_name = 'message'
            and raw_message.message_id = withdrawn.record_id
            and (
                raw_message.updated_at is null
                or raw_message.updated_at <= withdrawn.withdrawn_at
            )
    where raw_message.cost_micros <> 0 and withdrawn.record_id is null
    union all
    select
        coalesce(raw_message_event.currency, setting_report.currency) as currency,
        raw_message_event.cost_micros as spend_micros
    from raw_message_event
    cross join setting_report
    where raw_message_event.cost_micros <> 0

),

loaded as (

    select
        currency,
        sum(spend_micros) as spend_micros
    from costs
    group by 1

),

shown as (

    select
        currency,
        sum(spend_micros) as spend_micros
    from spend
    group by 1

),

final as (

    select coalesce(loaded.currency, shown.currency) as currency
    from loaded
    full outer join shown on loaded.currency = shown.currency
    where coalesce(loaded.spend_micros, 0) <> coalesce(shown.spend_micros, 0)

)

select * from final
