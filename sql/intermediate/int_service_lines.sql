-- Every service line that a conversion, a touch or a campaign names, with a number.
-- grain: line_id
-- inputs: int_conversions, int_campaigns, stg_touchpoint, stg_call

with

named as (

    select service_line
    from int_conversions
    union
    select service_line
    from int_campaigns
    union
    select service_line
    from stg_touchpoint
    union
    select service_line
    from stg_call

),

final as (

    select
        cast(row_number() over (order by service_line) as integer) as line_id,
        service_line
    from named
    where service_line not in ('', 'unassigned')

)

select * from final
