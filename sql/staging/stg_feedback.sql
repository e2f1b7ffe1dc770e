-- Every answer of a survey, every rating of a review, as the one person gave it.
-- grain: source, account, feedback_id
-- inputs: raw_feedback, identity
--
-- A survey of several questions has several rows with one response_id. The top box is the best
-- answer of the scale, and on scales to 10 the two best, as CAHPS reports them. NPS has classes of
-- its own and no top box: the two are never added up.

with

final as (

    select
        raw.source,
        raw.account,
        raw.feedback_id,
        coalesce(raw.response_id, raw.feedback_id) as response_id,
        identity.person_id,
        raw.at as answered_at,
        raw.kind,
        coalesce(trim(raw.survey), '') as survey,
        coalesce(trim(raw.question), '') as question,
        raw.score,
        raw.scale_max,
        raw.score / raw.scale_max as share_of_scale,
        case
            when raw.kind = 'nps' then null
            when raw.scale_max >= 10 and raw.score >= 0.9 * raw.scale_max then 1
            when raw.score >= raw.scale_max then 1
            else 0
        end as top_box,
        case
            when raw.kind <> 'nps' then null
            when raw.score >= 9 then 'promoter'
            when raw.score >= 7 then 'passive'
            else 'detractor'
        end as nps_class,
        coalesce(nullif(trim(raw.service_line), ''), 'unassigned') as service_line,
        coalesce(nullif(trim(raw.location), ''), 'unassigned') as location,
        coalesce(trim(raw.provider), '') as provider
    from raw_feedback as raw
    left join identity on raw.identifier = identity.identifier

)

select * from final
