-- Would patients recommend us, by the minutes that they waited; of those of whom both are known.
-- grain: month, service_line, location, waited_from
-- inputs: int_experience
--
-- From `waited_from` minutes on: steps of 5 up to half an hour, of 10 up to an hour. `minutes` are
-- those of all of them together.

with

final as (

    select
        month,
        service_line,
        location,
        cast(
            case
                when minutes_waited < 30 then 5 * floor(minutes_waited / 5.0)
                when minutes_waited < 60 then 10 * floor(minutes_waited / 10.0)
                else 60
            end as integer
        ) as waited_from,
        count(*) as people,
        cast(sum(promoter) as bigint) as promoters,
        cast(sum(passive) as bigint) as passives,
        cast(sum(detractor) as bigint) as detractors,
        cast(sum(minutes_waited) as bigint) as minutes
    from int_experience
    where minutes_waited is not null
    group by 1, 2, 3, 4

)

select * from final
order by month, service_line, location, waited_from
