-- Every patient in one row: which groups they are in, and their journey in numbers.
-- grain: person_id
-- inputs: int_visits, int_lapse, int_people, int_silences, int_reach, int_touches, int_won_paths,
--   int_conversions, int_payments, int_channel_map, stg_appointment, stg_feedback, stg_message,
--   setting_silence, setting_report
--
-- A patient is who ever kept a visit. Service line, location and lapse are those of the latest kept
-- visit, so that everybody is in one group of each; who is deceased, or would be called back and
-- has opted out, is `excluded`. A ZIP3 of fewer than one patient in two hundred
-- is `elsewhere`. `response` is the furthest that anybody came after an outreach message of purpose
-- marketing: sent, opened (or replied), clicked, booked within 90 days. Touches are all that are
-- known; `days_to_visit` is from the first to the first kept visit, where it came before it.
-- `was_silent` and `came_back` are of any silence that Reactivation counts; `step_1` to `step_4`
-- are the way to the latest booked visit with a known touch, as in `paths`. Of several answers to
-- NPS the latest counts.

with

latest as (

    select
        int_visits.person_id,
        int_visits.service_line,
        int_visits.location,
        count(*) over (partition by int_visits.person_id) as visits,
        min(int_visits.visited_at) over (partition by int_visits.person_id) as first_at,
        row_number() over (
            partition by int_visits.person_id order by int_visits.visit_id desc
        ) as back
    from int_visits
    where int_visits.person_id is not null

),

bounds as (

    select min(from_days) as from_days
    from setting_silence

),

silences as (

    select
        int_silences.person_id,
        max(
            case
                when int_silences.next_at is not null
                    then
                        case
                            when
                                date_diff(
                                    'second', int_silences.visited_at, int_silences.next_at
                                ) >= bounds.from_days * 86400
                                then 2
                            else 0
                        end
                when
                    date_diff(
                        'day',
                        cast(
                            int_silences.visited_at at time zone setting_report.timezone as date
                        ),
                        int_reach.last_day
                    ) >= bounds.from_days
                    then 1
                else 0
            end
        ) as silence
    from int_silences
    cross join bounds
    cross join int_reach
    cross join setting_report
    group by int_silences.person_id

),

placed as (

    select
        latest.person_id,
        coalesce(nullif(int_people.zip3, ''), 'unknown') as zip3
    from latest
    left join int_people on latest.person_id = int_people.person_id
    where latest.back = 1

),

places as (

    select
        zip3,
        count(*) as patients,
        sum(count(*)) over () as every_patient
    from placed
    group by zip3

),

spans as (

    select
        int_touches.person_id,
        count(*) as touches,
        min(int_touches.touched_at) as first_at,
        max(int_touches.touched_at) as last_at
    from int_touches
    inner join placed on int_touches.person_id = placed.person_id
    group by int_touches.person_id

),

channels as (

    select distinct
        channel_id,
        channel
    from int_channel_map

),

touched as (

    select
        spans.person_id,
        spans.touches,
        spans.first_at,
        min(case when int_touches.touched_at = spans.first_at then channels.channel end)
            as first_channel,
        min(case when int_touches.touched_at = spans.last_at then channels.channel end)
            as last_channel
    from spans
    inner join int_touches
        on
            spans.person_id = int_touches.person_id
            and int_touches.touched_at in (spans.first_at, spans.last_at)
    inner join channels on int_touches.channel_id = channels.channel_id
    group by spans.person_id, spans.touches, spans.first_at

),

ways as (

    select
        int_conversions.person_id,
        int_won_paths.step_1,
        int_won_paths.step_2,
        int_won_paths.step_3,
        int_won_paths.step_4,
        row_number() over (
            partition by int_conversions.person_id
            order by int_conversions.decided_at desc, int_conversions.conversion_id desc
        ) as back
    from int_won_paths
    inner join int_conversions on int_won_paths.conversion_id = int_conversions.conversion_id
    where int_won_paths.kind = 'booked' and int_conversions.person_id is not null

),

appointments as (

    select
        person_id,
        sum(case when is_kept then 1 else 0 end) as shown,
        sum(case when status = 'noshow' then 1 else 0 end) as missed
    from stg_appointment
    where person_id is not null
    group by person_id

),

paid as (

    select
        int_payments.person_id,
        sum(int_payments.amount_micros) as value_micros
    from int_payments
    inner join setting_report on int_payments.currency = setting_report.currency
    where int_payments.person_id is not null
    group by int_payments.person_id

),

answers as (

    select
        person_id,
        nps_class,
        row_number() over (
            partition by person_id order by answered_at desc, feedback_id desc, source asc
        ) as back
    from stg_feedback
    where person_id is not null and nps_class is not null

),

messages as (

    select
        person_id,
        sent_at,
        case
            when clicked_at is not null then 3
            when has_responded then 2
            else 1
        end as stage
    from stg_message
    where was_sent and not is_mailing and purpose = 'marketing' and person_id is not null

),

answered as (

    select
        messages.person_id,
        max(case when int_conversions.person_id is null then messages.stage else 4 end) as stage
    from messages
    left join int_conversions
        on
            messages.person_id = int_conversions.person_id
            and int_conversions.kind = 'booked'
            and messages.sent_at < int_conversions.decided_at
            and messages.sent_at + interval '90' day >= int_conversions.decided_at
    group by messages.person_id

),

known as (

    select
        latest.person_id,
        latest.service_line,
        latest.location,
        latest.visits,
        latest.first_at,
        int_lapse.state,
        int_lapse.excluded,
        int_lapse.is_open_loop,
        int_lapse.days_silent,
        cast(extract(year from int_reach.last_day) as integer) - int_people.birth_year as age
    from latest
    cross join int_reach
    inner join int_lapse
        on
            latest.person_id = int_lapse.person_id
            and latest.service_line = int_lapse.service_line
    left join int_people on latest.person_id = int_people.person_id
    where latest.back = 1

),

final as (

    select
        known.person_id,
        known.service_line,
        known.location,
        case
            when 200 * places.patients < places.every_patient then 'elsewhere'
            else places.zip3
        end as zip3,
        case
            when known.age is null then 'unknown'
            when known.age < 18 then '0-17'
            when known.age < 30 then '18-29'
            when known.age < 45 then '30-44'
            when known.age < 60 then '45-59'
            when known.age < 75 then '60-74'
            else '75+'
        end as age_band,
        case
            when
                known.excluded = 'deceased'
                or (
                    known.excluded <> ''
                    and (known.is_open_loop or known.state not in ('active', 'no recall'))
                )
                then 'excluded'
            when known.is_open_loop then 'open loop'
            else known.state
        end as lapse,
        coalesce(setting_silence.months_silent, '0-6') as months_silent,
        case answered.stage
            when 4 then 'booked'
            when 3 then 'clicked'
            when 2 then 'opened'
            when 1 then 'sent'
            else 'none sent'
        end as response,
        known.visits,
        coalesce(appointments.shown, 0) as shown,
        coalesce(appointments.missed, 0) as missed,
        coalesce(paid.value_micros, 0) as value_micros,
        case when silences.silence >= 1 then 1 else 0 end as was_silent,
        case when silences.silence = 2 then 1 else 0 end as came_back,
        case when coalesce(appointments.missed, 0) > 0 then 1 else 0 end as missers,
        case when answers.person_id is null then 0 else 1 end as answers,
        case when answers.nps_class = 'promoter' then 1 else 0 end as promoters,
        case when answers.nps_class = 'detractor' then 1 else 0 end as detractors,
        coalesce(touched.touches, 0) as touches,
        case
            when touched.first_at <= known.first_at
                then
                    cast(
                        floor(date_diff('second', touched.first_at, known.first_at) / 86400.0)
                        as bigint
                    )
        end as days_to_visit,
        coalesce(touched.first_channel, '') as first_channel,
        coalesce(touched.last_channel, '') as last_channel,
        coalesce(firsts.channel, '') as step_1,
        coalesce(seconds.channel, '') as step_2,
        coalesce(thirds.channel, '') as step_3,
        coalesce(fourths.channel, '') as step_4
    from known
    inner join placed on known.person_id = placed.person_id
    inner join places on placed.zip3 = places.zip3
    inner join silences on known.person_id = silences.person_id
    left join setting_silence
        on
            known.days_silent >= setting_silence.from_days
            and (setting_silence.to_days is null or known.days_silent < setting_silence.to_days)
    left join answered on known.person_id = answered.person_id
    left join appointments on known.person_id = appointments.person_id
    left join paid on known.person_id = paid.person_id
    left join answers on known.person_id = answers.person_id and answers.back = 1
    left join touched on known.person_id = touched.person_id
    left join ways on known.person_id = ways.person_id and ways.back = 1
    left join channels as firsts on ways.step_1 = firsts.channel_id
    left join channels as seconds on ways.step_2 = seconds.channel_id
    left join channels as thirds on ways.step_3 = thirds.channel_id
    left join channels as fourths on ways.step_4 = fourths.channel_id

)

select * from final
