-- How many patients have what in common.
-- grain: condition, service_line, lapse, age_band, location, response, zip3, months_silent
-- inputs: patient_numbers
--
-- `condition` '' is everybody, each patient once, so `people` adds up along all other columns. Any
-- other condition is a table of its own: who has several is in several, so conditions never add up
-- to a number of people. `everyone` are all patients of the row, with the condition or without.

with

final as (

    select
        mine.condition,
        mine.service_line,
        mine.lapse,
        mine.age_band,
        mine.location,
        mine.response,
        mine.zip3,
        mine.months_silent,
        mine.people,
        everybody.people as everyone
    from patient_numbers as mine
    inner join patient_numbers as everybody
        on
            everybody.condition = ''
            and mine.service_line = everybody.service_line
            and mine.lapse = everybody.lapse
            and mine.age_band = everybody.age_band
            and mine.location = everybody.location
            and mine.response = everybody.response
            and mine.zip3 = everybody.zip3
            and mine.months_silent = everybody.months_silent

)

select * from final
order by condition, service_line, lapse, age_band, location, response, zip3, months_silent
