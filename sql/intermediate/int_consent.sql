-- Who said what of marketing by which channel, and whether they allow it today.
-- grain: person_id, channel
-- inputs: stg_preference, stg_message, stg_stop, setting_channel_words, setting_stop
--
-- As outreach asks of a person before it sends by a channel that needs a permission
-- (outreach/consent.py): by their last word, in words that mean the channel or any. A STOP or an
-- unsubscription is such a word, whatever message it answers, unless the settings say that it is
-- for its own purpose alone. By a channel that needs none (`setting_open_channel`) outreach sends
-- to who has no row as well: who never said anything of it.

with

spoken as (

    select
        stg_preference.person_id,
        stg_preference.channel,
        stg_preference.allowed,
        stg_preference.since
    from stg_preference
    cross join setting_stop
    where
        stg_preference.purpose = 'marketing'
        or (
            setting_stop.is_for_all
            and not stg_preference.allowed
            and regexp_matches(
                lower(stg_preference.how), 'answered|unsubscribed|complained|reply|stop'
            )
        )
    union all
    select
        stg_message.person_id,
        stg_message.utm_medium as channel,
        false as allowed,
        stg_message.unsubscribed_at as since
    from stg_message
    cross join setting_stop
    where
        stg_message.person_id is not null
        and stg_message.unsubscribed_at is not null
        and (setting_stop.is_for_all or stg_message.purpose = 'marketing')
    union all
    select
        stg_stop.person_id,
        stg_stop.channel,
        false as allowed,
        stg_stop.stopped_at as since
    from stg_stop
    cross join setting_stop
    where setting_stop.is_for_all or stg_stop.purpose in ('', 'marketing')

),

-- What was said of every channel is said of each; of one moment the refusal counts.
said as (

    select
        spoken.person_id,
        setting_channel_words.channel,
        max(case when spoken.allowed then spoken.since end) as allowed_at,
        max(case when not spoken.allowed then spoken.since end) as refused_at
    from spoken
    inner join setting_channel_words on spoken.channel = setting_channel_words.word
    where setting_channel_words.lifts or not spoken.allowed
    group by 1, 2

),

final as (

    select
        person_id,
        channel,
        allowed_at is not null and (refused_at is null or allowed_at > refused_at) as allowed
    from said

)

select * from final
