-- Whether silent people whom no campaign assigned allowed marketing by any channel on that day.
-- grain: person_id, flow, assigned_at
-- inputs: int_reactivation_outcomes, stg_preference_change, stg_message, stg_stop,
--   setting_channel_words, setting_stop
--
-- The rule is that of `int_consent`, by what had been said by then: what was said since tells
-- nothing of that day. Who had said nothing has no row.

with

asked as (

    select
        person_id,
        flow,
        assigned_at
    from int_reactivation_outcomes
    where arm = 'none'

),

preferences as (

    select
        asked.person_id,
        asked.flow,
        asked.assigned_at,
        said_then.channel,
        said_then.purpose,
        said_then.allowed,
        said_then.since,
        said_then.how,
        row_number() over (
            partition by
                asked.person_id,
                asked.flow,
                asked.assigned_at,
                said_then.channel,
                said_then.purpose
            order by
                said_then.since desc,
                case when said_then.allowed then 1 else 0 end asc,
                said_then.source asc,
                said_then.account asc,
                said_then.preference_id asc
        ) as place
    from asked
    inner join stg_preference_change as said_then
        on
            asked.person_id = said_then.person_id
            and asked.assigned_at >= said_then.since
    where
        not said_then.allowed
        or (
            coalesce(asked.assigned_at >= said_then.starts_at, true)
            and coalesce(asked.assigned_at < said_then.ends_at, true)
        )

),

spoken as (

    select
        preferences.person_id,
        preferences.flow,
        preferences.assigned_at,
        preferences.channel,
        preferences.allowed,
        preferences.since
    from preferences
    cross join setting_stop
    where
        preferences.place = 1
        and (
            preferences.purpose = 'marketing'
            or (
                setting_stop.is_for_all
                and not preferences.allowed
                and regexp_matches(
                    lower(preferences.how), 'answered|unsubscribed|complained|reply|stop'
                )
            )
        )
    union all
    select
        asked.person_id,
        asked.flow,
        asked.assigned_at,
        stg_message.utm_medium as channel,
        false as allowed,
        stg_message.unsubscribed_at as since
    from asked
    inner join stg_message
        on
            asked.person_id = stg_message.person_id
            and asked.assigned_at >= stg_message.unsubscribed_at
    cross join setting_stop
    where setting_stop.is_for_all or stg_message.purpose = 'marketing'
    union all
    select
        asked.person_id,
        asked.flow,
        asked.assigned_at,
        stg_stop.channel,
        false as allowed,
        stg_stop.stopped_at as since
    from asked
    inner join stg_stop
        on
            asked.person_id = stg_stop.person_id
            and asked.assigned_at >= stg_stop.stopped_at
    cross join setting_stop
    where setting_stop.is_for_all or stg_stop.purpose in ('', 'marketing')

),

said as (

    select
        spoken.person_id,
        spoken.flow,
        spoken.assigned_at,
        setting_channel_words.channel,
        max(case when spoken.allowed then spoken.since end) as allowed_at,
        max(case when not spoken.allowed then spoken.since end) as refused_at
    from spoken
    inner join setting_channel_words on spoken.channel = setting_channel_words.word
    where setting_channel_words.lifts or not spoken.allowed
    group by 1, 2, 3, 4

),

final as (

    select
        person_id,
        flow,
        assigned_at,
        max(
            case
                when allowed_at is not null and (refused_at is null or allowed_at > refused_at)
                    then 1
                else 0
            end
        ) as allowed
    from said
    group by 1, 2, 3

)

select * from final
