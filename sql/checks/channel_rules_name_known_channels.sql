-- Every channel rule leads to a channel of the vocabulary (see docs/warehouse.md).
-- inputs: channel_rules

with

final as (

    select priority
    from channel_rules
    where
        channel not in (
            'paid_search', 'paid_social', 'display', 'video', 'organic_search', 'organic_social',
            'email', 'sms', 'call', 'direct', 'referral_physician', 'referral_web', 'directory',
            'direct_mail', 'event', 'offline_media', 'outreach_email', 'outreach_sms',
            'outreach_mail', 'outreach_call'
        )

)

select * from final
