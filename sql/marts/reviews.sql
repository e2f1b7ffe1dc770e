-- What review sites tell of each place: stars that were given, and the rating that a site shows.
-- grain: site, location, kind, day, stars
-- inputs: stg_feedback, stg_reputation, setting_report
--
-- Of kind `review`: how many gave so many of five stars in the month that begins on `day`. Only
-- reviews that are nobody's in particular: what a patient said to us is no review. Of kind
-- `rating`: the newest that a site showed of a place, in fifths, and of how many reviews; what a
-- site's terms do not let us keep is not here.

with

given as (

    select
        coalesce(nullif(lower(stg_feedback.survey), ''), stg_feedback.source) as site,
        stg_feedback.location,
        cast(
            date_trunc(
                'month', cast(stg_feedback.answered_at at time zone setting_report.timezone as date)
            ) as date
        ) as day,
        cast(greatest(1, round(5 * stg_feedback.share_of_scale)) as integer) as stars
    from stg_feedback
    cross join setting_report
    where stg_feedback.kind = 'review' and stg_feedback.person_id is null

),

shown as (

    select
        platform as site,
        location,
        place,
        day,
        5 * share_of_scale as rating,
        reviews,
        row_number() over (
            partition by platform, location, place order by day desc, source asc, account asc
        ) as back
    from stg_reputation

),

final as (

    select
        site,
        location,
        'review' as kind,
        day,
        stars,
        count(*) as reviews,
        cast(null as double) as rating
    from given
    group by 1, 2, 4, 5
    union all
    select
        site,
        location,
        'rating' as kind,
        max(day) as day,
        0 as stars,
        cast(sum(reviews) as bigint) as reviews,
        round(
            sum(cast(round(10000 * rating) as bigint) * reviews) / sum(reviews) / 10000.0, 2
        ) as rating
    from shown
    where back = 1 and rating is not null and reviews > 0
    group by 1, 2

)

select * from final
order by site, location, kind, day, stars
