-- What it cost to reach silent people by each campaign that is to bring them back.
-- grain: channel, campaign, currency
-- inputs: int_reactivation_people, int_channel_map, int_costs, stg_message, setting_report
--
-- `people` were silent when the campaign chose them and were written to, each once; `messages` is
-- what they were sent by its channel. Money of a campaign falls alike on all its messages, also on
-- those to people who were not silent yet: `spend_micros` is what falls on these, in the report's
-- currency.

with

sent as (

    select
        int_channel_map.channel,
        int_channel_map.campaign,
        stg_message.flow,
        stg_message.person_id,
        count(*) as messages
    from stg_message
    inner join int_channel_map
        on
            int_channel_map.kind = 'outreach'
            and int_channel_map.utm_source = ''
            and stg_message.utm_medium = int_channel_map.utm_medium
            and stg_message.flow = int_channel_map.utm_campaign
            and int_channel_map.campaign_id = ''
    where stg_message.was_sent and stg_message.topic = 'reactivation'
    group by 1, 2, 3, 4

),

whole as (

    select
        channel,
        campaign,
        cast(sum(messages) as bigint) as messages
    from sent
    group by 1, 2

),

reached as (

    select
        people.channel,
        people.campaign,
        count(*) as people,
        cast(sum(coalesce(sent.messages, 0)) as bigint) as messages
    from int_reactivation_people as people
    left join sent
        on
            people.channel = sent.channel
            and people.campaign = sent.campaign
            and people.flow = sent.flow
            and people.person_id = sent.person_id
    where people.contacted = 1
    group by 1, 2

),

spent as (

    select
        int_costs.channel,
        int_costs.campaign,
        cast(sum(int_costs.spend_micros) as bigint) as spend_micros
    from int_costs
    inner join setting_report on int_costs.currency = setting_report.currency
    group by 1, 2

),

final as (

    select
        reached.channel,
        reached.campaign,
        setting_report.currency,
        reached.people,
        reached.messages,
        cast(
            coalesce(
                round(
                    cast(spent.spend_micros as double)
                    * reached.messages / nullif(whole.messages, 0)
                ),
                0
            ) as bigint
        ) as spend_micros
    from reached
    cross join setting_report
    left join whole on reached.channel = whole.channel and reached.campaign = whole.campaign
    left join spent on reached.channel = spent.channel and reached.campaign = spent.campaign

)

select * from final
order by channel, campaign, currency
