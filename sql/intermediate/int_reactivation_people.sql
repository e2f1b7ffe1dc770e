-- Every silent person whom a reactivation flow treated or held out, and those nobody contacted.
-- grain: person_id, flow, assigned_at
-- inputs: int_assignments, stg_message, stg_person, int_silences, int_channel_map,
--   int_conversions, int_reach, setting_silence, setting_report
--
-- A flow is a reactivation flow by its name: "reactivation", "recall" or "winback". A person
-- counts once per flow, at the first assignment, and only if silent then. `is_untested`: treated
-- before the flow held anybody out, so they say what came, and nothing of a lift. People whom
-- nobody contacted count in the month in which they became silent for 6, 12, 18, 24 or 36 months.

with

flows as (

    select
        flow,
        person_id,
        assigned_at,
        arm,
        utm_medium,
        is_untested
    from int_assignments
    where purpose = 'marketing' and topic = 'reactivation'

),

-- A flow may mean somebody again.
meant as (

    select distinct
        person_id,
        assigned_at
    from stg_message
    where
        purpose = 'marketing'
        and person_id is not null
        and topic = 'reactivation'

),

responses as (

    select
        flow,
        person_id,
        max(case when was_sent then 1 else 0 end) as contacted,
        max(case when was_sent and has_responded then 1 else 0 end) as responded
    from stg_message
    where purpose = 'marketing' and person_id is not null
    group by flow, person_id

),

assigned as (

    select
        flows.person_id,
        flows.flow,
        int_channel_map.campaign,
        int_channel_map.channel,
        flows.arm,
        flows.is_untested,
        flows.assigned_at,
        int_silences.visited_at,
        int_silences.next_at is null as is_latest,
        int_silences.service_line,
        int_silences.location,
        case when flows.arm = 'treated' then responses.contacted else 0 end as contacted,
        case when flows.arm = 'treated' then responses.responded else 0 end as responded
    from flows
    inner join responses
        on flows.flow = responses.flow and flows.person_id = responses.person_id
    inner join int_silences
        on
            flows.person_id = int_silences.person_id
            and flows.assigned_at > int_silences.visited_at
            and (int_silences.next_at is null or flows.assigned_at <= int_silences.next_at)
    inner join int_channel_map
        on
            int_channel_map.kind = 'outreach'
            and int_channel_map.utm_source = ''
            and flows.utm_medium = int_channel_map.utm_medium
            and flows.flow = int_channel_map.utm_campaign
            and int_channel_map.campaign_id = ''

),

last_day as (

    select max(int_conversions.decided_at) as last_at
    from int_conversions
    cross join int_reach
    where int_conversions.week <= int_reach.last_day

),

the_dead as (

    select distinct person_id
    from stg_person
    where deceased

),

crossed as (

    select
        int_silences.person_id,
        int_silences.visited_at,
        int_silences.visited_at
        + cast(setting_silence.from_days as integer) * interval '1' day as assigned_at,
        int_silences.next_at is null as is_latest,
        int_silences.service_line,
        int_silences.location
    from int_silences
    cross join setting_silence
    cross join last_day
    left join the_dead on int_silences.person_id = the_dead.person_id
    where
        the_dead.person_id is null
        and int_silences.visited_at
        + cast(setting_silence.from_days as integer) * interval '1' day <= last_day.last_at
        and (
            int_silences.next_at is null
            or int_silences.visited_at
            + cast(setting_silence.from_days as integer) * interval '1' day
            < int_silences.next_at
        )

),

reached as (

    select distinct
        crossed.person_id,
        crossed.assigned_at
    from crossed
    inner join meant
        on
            crossed.person_id = meant.person_id
            and crossed.visited_at < meant.assigned_at
            and crossed.assigned_at + interval '90' day >= meant.assigned_at

),

left_alone as (

    select
        crossed.person_id,
        '' as flow,
        '' as campaign,
        '' as channel,
        'none' as arm,
        false as is_untested,
        crossed.assigned_at,
        crossed.visited_at,
        crossed.is_latest,
        crossed.service_line,
        crossed.location,
        0 as contacted,
        0 as responded
    from crossed
    left join reached
        on
            crossed.person_id = reached.person_id
            and crossed.assigned_at = reached.assigned_at
    where reached.person_id is null

),

together as (

    select * from assigned
    union all
    select * from left_alone

),

final as (

    select
        together.person_id,
        together.flow,
        together.campaign,
        together.channel,
        together.arm,
        together.is_untested,
        together.assigned_at,
        together.visited_at,
        together.is_latest,
        cast(
            date_trunc(
                'month',
                cast(together.assigned_at at time zone setting_report.timezone as date)
            ) as date
        ) as cohort_month,
        setting_silence.months_silent,
        together.service_line,
        together.location,
        together.contacted,
        together.responded
    from together
    cross join setting_report
    inner join setting_silence
        on
            date_diff('second', together.visited_at, together.assigned_at)
            >= setting_silence.from_days * 86400
            and (
                setting_silence.to_days is null
                or date_diff('second', together.visited_at, together.assigned_at)
                < setting_silence.to_days * 86400
            )

)

select * from final
