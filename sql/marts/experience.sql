-- Would patients recommend us, month by month; and how many of those who were asked answered.
-- grain: kind, month, service_line, location
-- inputs: int_experience, stg_message, stg_feedback, int_reach, setting_report
--
-- Of kind `nps` each person's last answer of the month counts. Of kind `asked` a person counts once
-- a month, whoever was sent a message of a flow that asks: by its name nps, survey, feedback or
-- check in. They `answered` if any answer of theirs came within 30 days; who was asked later than
-- 30 days before the last day is not counted yet. Messages name no place.

with

asked as (

    select
        stg_message.person_id,
        cast(
            date_trunc(
                'month', cast(stg_message.sent_at at time zone setting_report.timezone as date)
            ) as date
        ) as month,
        min(stg_message.sent_at) as sent_at
    from stg_message
    cross join setting_report
    cross join int_reach
    where
        stg_message.was_sent
        and stg_message.person_id is not null
        and regexp_matches(lower(stg_message.flow), 'nps|survey|feedback|check_?in')
        and cast(stg_message.sent_at at time zone setting_report.timezone as date)
        <= int_reach.last_day - interval '30' day
    group by 1, 2

),

answered as (

    select distinct
        asked.person_id,
        asked.month
    from asked
    inner join stg_feedback
        on
            asked.person_id = stg_feedback.person_id
            and asked.sent_at <= stg_feedback.given_by
            and asked.sent_at + interval '30' day >= stg_feedback.answered_at
    where stg_feedback.kind in ('nps', 'survey')

),

final as (

    select
        'nps' as kind,
        month,
        service_line,
        location,
        count(*) as people,
        cast(sum(promoter) as bigint) as promoters,
        cast(sum(passive) as bigint) as passives,
        cast(sum(detractor) as bigint) as detractors,
        cast(0 as bigint) as answered
    from int_experience
    group by 2, 3, 4
    union all
    select
        'asked' as kind,
        asked.month,
        '' as service_line,
        '' as location,
        count(*) as people,
        cast(0 as bigint) as promoters,
        cast(0 as bigint) as passives,
        cast(0 as bigint) as detractors,
        count(answered.person_id) as answered
    from asked
    left join answered on asked.person_id = answered.person_id and asked.month = answered.month
    group by 2

)

select * from final
order by kind, month, service_line, location
