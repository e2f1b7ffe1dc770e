-- What each review platform said of each place on each day.
-- grain: source, account, platform, place, day
-- inputs: raw_reputation

with

final as (

    select
        source,
        account,
        lower(trim(platform)) as platform,
        place,
        day,
        rating,
        rating / scale_max as share_of_scale,
        reviews,
        coalesce(nullif(trim(location), ''), 'unassigned') as location
    from raw_reputation

)

select * from final
