-- What goes with a higher or a lower NPS: waits, doctors, places, service lines, patients.
-- grain: part, part_value, driver, level
-- inputs: int_experience_drivers
--
-- Of everybody (`part` ''), and within each service line and each location. `effect` is in points
-- of NPS, with its 95% interval, all else in the model alike: an association. `people` are those
-- of the level.

with

final as (

    select
        part,
        part_value,
        driver,
        level,
        people,
        effect,
        low,
        high
    from int_experience_drivers

)

select * from final
order by part, part_value, driver, level
