-- Pollen and air quality of each place and day, from all sources together.
-- grain: place, day
-- inputs: raw_environment
--
-- A source of pollen knows nothing of the air and the other way round. Where two sources tell the
-- same of one day, the higher stands, as the index of an area is that of its worst monitor.

with

final as (

    select
        trim(place) as place,
        day,
        max(pollen_tree) as pollen_tree,
        max(pollen_grass) as pollen_grass,
        max(pollen_weed) as pollen_weed,
        max(air_quality_index) as air_quality_index
    from raw_environment
    group by trim(place), day

)

select * from final
