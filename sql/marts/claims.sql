-- What platforms claim, beside what was observed: by platform, campaign and week.
-- grain: kind, platform, channel, campaign, week
-- inputs: int_claims, int_claimable, int_claim_terms, int_platforms, int_channel_map,
--   int_conversions, int_journey_touches, int_asked_again
--
-- `claimed` counts all actions, `repeated` those that tell another action's conversions again,
-- `viewed` the others that follow a view alone; `narrower` is inside `claimed` and in no sum. An
-- action that no rule names has the kind ''. `any_touch` and `last_touch` are conversions with the
-- platform in their journey, or at its end. `clicked` could be claimed by a click, in the week of
-- the conversion; `clicked_dated` the same in the week in which the platform puts it, and of those
-- `late` come after the platform's last day and `unclaimed` are of campaigns for which it claims
-- nothing at all. `untracked` is what would be clicked beyond that, had leads without a known touch
-- come as the others did. `again` are inquiries after a click that are no lead of ours, in the week
-- in which the platform puts them.

with

campaigns as (

    select distinct
        int_claims.kind,
        int_claims.platform,
        int_channel_map.channel,
        int_channel_map.campaign
    from int_claims
    inner join int_channel_map on int_claims.map_id = int_channel_map.map_id

),

untouched as (

    select
        int_conversions.week,
        sum(case when firsts.conversion_id is null then 1 else 0 end) as unknown_leads,
        sum(case when firsts.conversion_id is null then 0 else 1 end) as known_leads
    from int_conversions
    left join int_journey_touches as firsts
        on int_conversions.conversion_id = firsts.conversion_id and firsts.step = 1
    where int_conversions.kind = 'lead'
    group by int_conversions.week

),

lost as (

    select
        week,
        case
            when known_leads = 0 then 0
            else cast(
                cast(unknown_leads as double) / cast(known_leads as double) as decimal(18, 6)
            )
        end as lost_each
    from untouched

),

seen as (

    select
        int_journey_touches.conversion_id,
        int_claim_terms.kind,
        int_claim_terms.platform,
        int_journey_touches.map_id,
        int_journey_touches.step = int_journey_touches.steps as is_last,
        row_number() over (
            partition by int_journey_touches.conversion_id, int_claim_terms.platform
            order by int_journey_touches.step desc
        ) as place
    from int_journey_touches
    inner join int_platforms on int_journey_touches.map_id = int_platforms.map_id
    inner join int_claim_terms
        on
            int_platforms.platform = int_claim_terms.platform
            and int_journey_touches.kind = int_claim_terms.kind

),

clicked as (

    select
        int_claimable.kind,
        int_claimable.platform,
        int_claimable.map_id,
        int_claimable.week,
        cast(date_trunc('week', int_claimable.claim_day) as date) as claim_week,
        int_claimable.conversions,
        int_claimable.is_late,
        not int_claimable.is_late and campaigns.campaign is null as is_unclaimed,
        coalesce(lost.lost_each, 0) as lost_each
    from int_claimable
    inner join int_channel_map on int_claimable.map_id = int_channel_map.map_id
    left join campaigns
        on
            int_claimable.kind = campaigns.kind
            and int_claimable.platform = campaigns.platform
            and int_channel_map.channel = campaigns.channel
            and int_channel_map.campaign = campaigns.campaign
    left join lost on int_claimable.week = lost.week

),

counted as (

    select
        kind,
        platform,
        map_id,
        cast(date_trunc('week', day) as date) as week,
        case when is_narrower then 0 else conversions end as claimed,
        case when is_repeat and not is_narrower then conversions else 0 end as repeated,
        case
            when counted_by = 'view' and not is_repeat and not is_narrower then conversions
            else 0
        end as viewed,
        case when is_narrower then conversions else 0 end as narrower,
        0 as any_touch,
        0 as last_touch,
        0 as clicked,
        0 as clicked_dated,
        0 as late,
        0 as unclaimed,
        0 as untracked,
        0 as again
    from int_claims
    union all
    select
        seen.kind,
        seen.platform,
        seen.map_id,
        int_conversions.week,
        0 as claimed,
        0 as repeated,
        0 as viewed,
        0 as narrower,
        int_conversions.conversions as any_touch,
        case when seen.is_last then int_conversions.conversions else 0 end as last_touch,
        0 as clicked,
        0 as clicked_dated,
        0 as late,
        0 as unclaimed,
        0 as untracked,
        0 as again
    from seen
    inner join int_conversions on seen.conversion_id = int_conversions.conversion_id
    where seen.place = 1
    union all
    select
        kind,
        platform,
        map_id,
        week,
        0 as claimed,
        0 as repeated,
        0 as viewed,
        0 as narrower,
        0 as any_touch,
        0 as last_touch,
        conversions as clicked,
        0 as clicked_dated,
        0 as late,
        0 as unclaimed,
        0 as untracked,
        0 as again
    from clicked
    union all
    select
        kind,
        platform,
        map_id,
        claim_week as week,
        0 as claimed,
        0 as repeated,
        0 as viewed,
        0 as narrower,
        0 as any_touch,
        0 as last_touch,
        0 as clicked,
        conversions as clicked_dated,
        case when is_late then conversions else 0 end as late,
        case when is_unclaimed then conversions else 0 end as unclaimed,
        case when is_late or is_unclaimed then 0 else conversions * lost_each end as untracked,
        0 as again
    from clicked
    union all
    select
        'lead' as kind,
        int_asked_again.platform,
        int_asked_again.map_id,
        cast(date_trunc('week', int_asked_again.claim_day) as date) as week,
        0 as claimed,
        0 as repeated,
        0 as viewed,
        0 as narrower,
        0 as any_touch,
        0 as last_touch,
        0 as clicked,
        0 as clicked_dated,
        0 as late,
        0 as unclaimed,
        0 as untracked,
        1 as again
    from int_asked_again
    inner join int_channel_map on int_asked_again.map_id = int_channel_map.map_id
    inner join campaigns
        on
            int_asked_again.platform = campaigns.platform
            and int_channel_map.channel = campaigns.channel
            and int_channel_map.campaign = campaigns.campaign
            and campaigns.kind = 'lead'

),

final as (

    select
        counted.kind,
        counted.platform,
        int_channel_map.channel,
        int_channel_map.campaign,
        counted.week,
        cast(sum(cast(counted.claimed as decimal(24, 6))) as double) as claimed,
        cast(sum(cast(counted.repeated as decimal(24, 6))) as double) as repeated,
        cast(sum(cast(counted.viewed as decimal(24, 6))) as double) as viewed,
        cast(sum(cast(counted.narrower as decimal(24, 6))) as double) as narrower,
        cast(sum(counted.any_touch) as bigint) as any_touch,
        cast(sum(counted.last_touch) as bigint) as last_touch,
        cast(sum(counted.clicked) as bigint) as clicked,
        cast(sum(counted.clicked_dated) as bigint) as clicked_dated,
        cast(sum(counted.late) as bigint) as late,
        cast(sum(counted.unclaimed) as bigint) as unclaimed,
        cast(sum(cast(counted.untracked as decimal(24, 6))) as double) as untracked,
        cast(sum(counted.again) as bigint) as again
    from counted
    inner join int_channel_map on counted.map_id = int_channel_map.map_id
    group by 1, 2, 3, 4, 5

)

select * from final
order by kind, platform, channel, campaign, week
