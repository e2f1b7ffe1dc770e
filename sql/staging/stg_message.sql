-- Every message of an outreach flow to one person, and every person who was held out.
-- grain: source, account, message_id
-- inputs: raw_message, raw_withdrawn, identity
--
-- A flow is its own campaign: messages have no tags, so the flow's name stands in for them.

with

final as (

    select
        raw.source,
        raw.account,
        raw.message_id,
        identity.person_id,
        raw.assigned_at,
        raw.arm,
        raw.purpose,
        lower(trim(raw.channel)) as utm_medium,
        trim(raw.flow) as flow,
        raw.arm = 'treated' and raw.sent_at is not null as was_sent,
        coalesce(raw.opened_at, raw.clicked_at, raw.replied_at) is not null as has_responded,
        raw.sent_at,
        raw.clicked_at,
        raw.currency,
        raw.cost_micros
    from raw_message as raw
    left join identity on raw.identifier = identity.identifier
    left join raw_withdrawn as withdrawn
        on
            raw.source = withdrawn.source
            and raw.account = withdrawn.account
            and withdrawn.table_name = 'message'
            and raw.message_id = withdrawn.record_id
            and (raw.updated_at is null or raw.updated_at <= withdrawn.withdrawn_at)
    where withdrawn.record_id is null

)

select * from final
