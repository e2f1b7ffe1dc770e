-- Each person's last answer to NPS in a month, with the visit that it is about.
-- grain: source, account, feedback_id
-- inputs: stg_feedback, stg_appointment, int_visits, setting_report
--
-- Who cannot be identified is a person of their own. The visit is the latest kept one in the 30
-- days before the answer (or on its day, where that alone is known), of the same service line and
-- place where the answer names them; without one `patient` and `has_missed` are empty and no wait
-- is known. `patient` is `new` without a kept visit in the days that make a patient new again;
-- `has_missed` is of the year before the visit.

with

answers as (

    select
        stg_feedback.source,
        stg_feedback.account,
        stg_feedback.feedback_id,
        stg_feedback.person_id,
        stg_feedback.answered_at,
        stg_feedback.given_by,
        cast(
            date_trunc(
                'month',
                cast(stg_feedback.answered_at at time zone setting_report.timezone as date)
            ) as date
        ) as month,
        stg_feedback.nps_class,
        stg_feedback.service_line,
        stg_feedback.location,
        stg_feedback.provider,
        row_number() over (
            partition by
                coalesce(
                    cast(stg_feedback.person_id as varchar),
                    stg_feedback.source || ' ' || stg_feedback.account || ' '
                    || stg_feedback.feedback_id
                ),
                date_trunc(
                    'month',
                    cast(stg_feedback.answered_at at time zone setting_report.timezone as date)
                )
            order by
                stg_feedback.answered_at desc,
                stg_feedback.feedback_id desc,
                stg_feedback.source asc,
                stg_feedback.account asc
        ) as back
    from stg_feedback
    cross join setting_report
    where stg_feedback.nps_class is not null

),

visits as (

    select
        answers.source,
        answers.account,
        answers.feedback_id,
        int_visits.person_id,
        int_visits.visited_at,
        int_visits.service_line,
        int_visits.location,
        int_visits.provider,
        int_visits.minutes_waited,
        row_number() over (
            partition by answers.source, answers.account, answers.feedback_id
            order by int_visits.visit_id desc
        ) as back
    from answers
    inner join int_visits
        on
            answers.person_id = int_visits.person_id
            and answers.given_by >= int_visits.visited_at
            and answers.answered_at <= int_visits.visited_at + interval '30' day
            and answers.service_line in ('unassigned', int_visits.service_line)
            and answers.location in ('unassigned', int_visits.location)
    where answers.back = 1

),

matched as (

    select
        source,
        account,
        feedback_id,
        person_id,
        visited_at,
        service_line,
        location,
        provider,
        minutes_waited
    from visits
    where back = 1

),

earlier as (

    select
        matched.source,
        matched.account,
        matched.feedback_id,
        max(int_visits.visited_at) as previous_at
    from matched
    inner join int_visits
        on
            matched.person_id = int_visits.person_id
            and matched.visited_at > int_visits.visited_at
    group by 1, 2, 3

),

missed as (

    select distinct
        matched.source,
        matched.account,
        matched.feedback_id
    from matched
    inner join stg_appointment
        on
            matched.person_id = stg_appointment.person_id
            and matched.visited_at > stg_appointment.starts_at
            and matched.visited_at <= stg_appointment.starts_at + interval '365' day
    where stg_appointment.status = 'noshow'

),

final as (

    select
        answers.source,
        answers.account,
        answers.feedback_id,
        answers.month,
        case
            when answers.service_line = 'unassigned' and matched.service_line is not null
                then matched.service_line
            else answers.service_line
        end as service_line,
        case
            when answers.location = 'unassigned' and matched.location is not null
                then matched.location
            else answers.location
        end as location,
        coalesce(nullif(answers.provider, ''), matched.provider, '') as provider,
        cast(round(matched.minutes_waited) as integer) as minutes_waited,
        case
            when matched.person_id is null then ''
            when
                earlier.previous_at is null
                or date_diff('second', earlier.previous_at, matched.visited_at)
                >= setting_report.new_patient_days * 86400
                then 'new'
            else 'returning'
        end as patient,
        case
            when matched.person_id is null then ''
            when missed.feedback_id is null then 'no'
            else 'yes'
        end as has_missed,
        case when answers.nps_class = 'promoter' then 1 else 0 end as promoter,
        case when answers.nps_class = 'passive' then 1 else 0 end as passive,
        case when answers.nps_class = 'detractor' then 1 else 0 end as detractor
    from answers
    cross join setting_report
    left join matched
        on
            answers.source = matched.source
            and answers.account = matched.account
            and answers.feedback_id = matched.feedback_id
    left join earlier
        on
            answers.source = earlier.source
            and answers.account = earlier.account
            and answers.feedback_id = earlier.feedback_id
    left join missed
        on
            answers.source = missed.source
            and answers.account = missed.account
            and answers.feedback_id = missed.feedback_id
    where answers.back = 1

)

select * from final
