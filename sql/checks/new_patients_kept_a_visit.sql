-- There are never more new patients than kept visits, nor more people than conversions.
-- inputs: conversions

with

cells as (

    select
        service_line,
        location,
        week,
        currency,
        sum(case when kind = 'new_patient' then conversions else 0 end) as new_patients,
        sum(case when kind = 'kept' then conversions else 0 end) as kept,
        max(case when kind <> 'collected' and people > conversions then 1 else 0 end) as too_many
    from conversions
    group by 1, 2, 3, 4

),

final as (

    select
        service_line,
        location,
        week
    from cells
    where new_patients > kept or too_many = 1

)

select * from final
