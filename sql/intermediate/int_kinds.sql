-- The kinds of conversion, each with the bit that stands for it where several go together.
-- grain: kind
-- inputs: setting_credit

with

final as (

    select distinct
        kind,
        case kind
            when 'lead' then 1
            when 'booked' then 2
            when 'kept' then 4
            when 'new_patient' then 8
            else 16
        end as bit
    from setting_credit

)

select * from final
