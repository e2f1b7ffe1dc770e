-- Every person who kept a visit in one row, as coarse as research needs them.
-- grain: person_id
-- inputs: int_care, int_people, stg_payment, stg_contact, stg_message, int_touches,
--   int_channel_map, int_conversions, int_reach, setting_report, setting_timeline
--
-- Empty where no timelines are kept: whoever wants nothing of single people's care kept means this
-- too.
-- `age` is the one reached in the year in which the data end. The main service line, place,
-- condition and treatment are those of most visits, of as many the first by name; '' is none told.
-- Messages are those that were sent, whatever for. `lead_days` are from the first lead to the first
-- visit, null where there was none before it.

with

visits as (

    select
        person_id,
        min(day) as first_visit,
        max(day) as last_visit,
        count(*) as visits,
        count(pollen) as pollen_visits,
        count(case when is_high_pollen then 1 end) as high_pollen_visits,
        count(air) as air_visits,
        count(case when air > 50 then 1 end) as poor_air_visits
    from int_care
    group by person_id

),

told as (

    select
        person_id,
        'service_line' as what,
        service_line as value
    from int_care
    union all
    select
        person_id,
        'location' as what,
        location as value
    from int_care
    union all
    select
        person_id,
        'condition' as what,
        condition as value
    from int_care
    where condition <> ''
    union all
    select
        person_id,
        'treatment' as what,
        treatment as value
    from int_care
    where treatment <> ''

),

counted as (

    select
        person_id,
        what,
        value,
        row_number() over (
            partition by person_id, what
            order by count(*) desc, value asc
        ) as place
    from told
    group by person_id, what, value

),

mainly as (

    select
        person_id,
        max(case when what = 'service_line' then value end) as service_line,
        max(case when what = 'location' then value end) as location,
        max(case when what = 'condition' then value end) as condition,
        max(case when what = 'treatment' then value end) as treatment
    from counted
    where place = 1
    group by person_id

),

paid as (

    select
        stg_payment.person_id,
        cast(sum(stg_payment.amount_micros) as bigint) as paid_micros
    from stg_payment
    inner join setting_report on stg_payment.currency = setting_report.currency
    where stg_payment.person_id is not null
    group by stg_payment.person_id

),

-- Of those who visited alone: few of all who were touched.
touched as (

    select
        person_id,
        map_id,
        row_number() over (partition by person_id order by touched_at, tie) as place
    from int_touches
    where person_id in (select visits.person_id from visits)

),

first_touches as (

    select
        touched.person_id,
        int_channel_map.channel
    from touched
    inner join int_channel_map on touched.map_id = int_channel_map.map_id
    where touched.place = 1

),

contacts as (

    select
        stg_contact.person_id,
        int_channel_map.channel,
        row_number() over (
            partition by stg_contact.person_id
            order by stg_contact.created_at, stg_contact.source, stg_contact.contact_id
        ) as place
    from stg_contact
    inner join int_channel_map
        on
            int_channel_map.kind = 'contact'
            and stg_contact.utm_source = int_channel_map.utm_source
            and stg_contact.utm_medium = int_channel_map.utm_medium
            and stg_contact.utm_campaign = int_channel_map.utm_campaign
            and int_channel_map.campaign_id = ''
    where stg_contact.person_id is not null

),

leads as (

    select
        person_id,
        min(decided_at) as first_lead
    from int_conversions
    where kind = 'lead' and person_id is not null
    group by person_id

),

messages as (

    select
        person_id,
        count(case when utm_medium = 'email' then 1 end) as emails,
        count(case when utm_medium = 'sms' then 1 end) as texts,
        count(case when utm_medium not in ('email', 'sms') then 1 end) as other_messages,
        count(case when has_responded then 1 end) as responses
    from stg_message
    where was_sent and person_id is not null
    group by person_id

),

final as (

    select
        visits.person_id,
        cast(
            extract(year from int_reach.last_day) - int_people.birth_year as integer
        ) as age,
        cast(extract(year from int_reach.last_day) as integer) as age_in,
        coalesce(int_people.sex, '') as sex,
        coalesce(int_people.zip3, '') as zip3,
        visits.first_visit,
        date_diff('day', visits.first_visit, visits.last_visit) as span_days,
        visits.visits,
        mainly.service_line,
        mainly.location,
        coalesce(mainly.condition, '') as condition,
        coalesce(mainly.treatment, '') as treatment,
        coalesce(paid.paid_micros, 0) as paid_micros,
        coalesce(first_touches.channel, '') as first_channel,
        coalesce(contacts.channel, '') as lead_source,
        case
            when
                cast(leads.first_lead at time zone setting_report.timezone as date)
                <= visits.first_visit
                then date_diff(
                    'day',
                    cast(leads.first_lead at time zone setting_report.timezone as date),
                    visits.first_visit
                )
        end as lead_days,
        coalesce(messages.emails, 0) as emails,
        coalesce(messages.texts, 0) as texts,
        coalesce(messages.other_messages, 0) as other_messages,
        coalesce(messages.responses, 0) as responses,
        visits.pollen_visits,
        visits.high_pollen_visits,
        visits.air_visits,
        visits.poor_air_visits
    from visits
    cross join int_reach
    cross join setting_report
    inner join mainly on visits.person_id = mainly.person_id
    left join int_people on visits.person_id = int_people.person_id
    left join paid on visits.person_id = paid.person_id
    left join first_touches on visits.person_id = first_touches.person_id
    left join contacts on visits.person_id = contacts.person_id and contacts.place = 1
    left join leads on visits.person_id = leads.person_id
    left join messages on visits.person_id = messages.person_id
    where (select count(*) from setting_timeline) > 0

)

select * from final
order by person_id
