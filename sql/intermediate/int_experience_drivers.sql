-- What goes with a higher or a lower NPS: waits, doctors, places, service lines, patients.
-- grain: part, part_value, driver, level
-- inputs: int_experience
--
-- SQL counts, `attribution/models/drivers.py` solves: of everybody (`part` ''), and within each
-- service line and each location. `effect` is in points of NPS, with its 95% interval, all else in
-- the model alike; it is an association. Of answers whose visit and wait are known.

with

final as (

    select
        service_line,
        location,
        provider,
        least(minutes_waited, 60) as minutes,
        patient,
        has_missed,
        count(*) as people,
        cast(sum(promoter) as bigint) as promoters,
        cast(sum(detractor) as bigint) as detractors
    from int_experience
    where minutes_waited is not null and patient <> ''
    group by 1, 2, 3, 4, 5, 6

)

select * from final
order by service_line, location, provider, minutes, patient, has_missed
