-- Every answer of a survey, every rating of a review, as the one person gave it.
-- grain: source, account, feedback_id
-- inputs: raw_feedback, identity, setting_report
--
-- A survey of several questions has several rows with one response_id. The top box is the best
-- answer of the scale, and on scales to 10 the two best, as CAHPS reports them. NPS has classes of
-- its own and no top box: the two are never added up. `given_by` is the moment by which an answer
-- was given: where the day alone is known, which is stored as its midnight, the end of that day.

with

final as (

    select
        raw.source,
        raw.account,
        raw.feedback_id,
        coalesce(raw.response_id, raw.feedback_id) as response_id,
        identity.person_id,
        raw.at as answered_at,
        case
            when
                raw.at
                = cast(cast(raw.at at time zone setting_report.timezone as date) as timestamp)
                at time zone setting_report.timezone
                then
                    cast(
                        cast(raw.at at time zone setting_report.timezone as date)
                        + interval '1' day as timestamp
                    ) at time zone setting_report.timezone
            else raw.at
        end as given_by,
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
    cross join setting_report
    left join identity on raw.identifier = identity.identifier

)

select * from final
