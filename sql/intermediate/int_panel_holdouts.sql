-- What came of people whom a campaign treated, and of those whom chance held out from it.
-- grain: kind, channel, campaign, arm, returned
-- inputs: int_assignments, int_channel_map, int_conversions
--
-- A person counts once per flow, at the first assignment, if visits are known by then. `counted`
-- are conversions within 90 days, `squares` their squares by person, `afterwards` later ones;
-- `returned` is 1 for people who kept a visit within the 90 days. Only channels that held somebody
-- out are here, with all of their campaigns: the people of those without a holdout are told from
-- those with one, and so are those of arm `untested`, who were treated before their flow held
-- anybody out.

with

mapped as (

    select
        int_channel_map.channel,
        int_channel_map.campaign,
        assigned.flow,
        assigned.person_id,
        case when assigned.is_untested then 'untested' else assigned.arm end as arm,
        assigned.assigned_at
    from int_assignments as assigned
    inner join int_channel_map
        on
            int_channel_map.kind = 'outreach'
            and int_channel_map.utm_source = ''
            and assigned.utm_medium = int_channel_map.utm_medium
            and assigned.flow = int_channel_map.utm_campaign
            and int_channel_map.campaign_id = ''
    where assigned.purpose = 'marketing' and assigned.is_covered

),

tested as (

    select distinct channel
    from mapped
    where arm = 'holdout'

),

people as (

    select
        mapped.channel,
        mapped.campaign,
        mapped.flow,
        mapped.person_id,
        mapped.arm,
        mapped.assigned_at
    from mapped
    inner join tested on mapped.channel = tested.channel

),

came as (

    select
        people.flow,
        people.person_id,
        int_conversions.kind,
        cast(
            sum(
                case
                    when
                        int_conversions.decided_at
                        <= people.assigned_at + interval '90' day
                        then int_conversions.conversions
                    else 0
                end
            ) as bigint
        ) as counted,
        cast(
            sum(
                case
                    when
                        int_conversions.decided_at
                        > people.assigned_at + interval '90' day
                        then int_conversions.conversions
                    else 0
                end
            ) as bigint
        ) as afterwards
    from people
    inner join int_conversions
        on
            people.person_id = int_conversions.person_id
            and people.assigned_at < int_conversions.decided_at
    group by 1, 2, 3

),

kinds as (

    select distinct kind
    from came

),

final as (

    select
        kinds.kind,
        people.channel,
        people.campaign,
        people.arm,
        case when coalesce(visits.counted, 0) > 0 then 1 else 0 end as returned,
        cast(count(*) as bigint) as people,
        cast(coalesce(sum(came.counted), 0) as bigint) as counted,
        cast(coalesce(sum(came.counted * came.counted), 0) as bigint) as squares,
        cast(coalesce(sum(came.afterwards), 0) as bigint) as afterwards
    from people
    cross join kinds
    left join came
        on
            people.flow = came.flow
            and people.person_id = came.person_id
            and kinds.kind = came.kind
    left join came as visits
        on
            people.flow = visits.flow
            and people.person_id = visits.person_id
            and visits.kind = 'kept'
    group by 1, 2, 3, 4, 5

)

select * from final
