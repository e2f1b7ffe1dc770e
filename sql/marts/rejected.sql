-- Rows that broke the contract and were kept out, with the reason.
-- grain: source, file, table_name, row_number, column_name
-- inputs: stg_rejected

with

final as (

    select
        source,
        file,
        table_name,
        row_number,
        column_name,
        min(shape) as shape,
        min(reason) as reason
    from stg_rejected
    group by 1, 2, 3, 4, 5

)

select * from final
order by source, file, table_name, row_number, column_name
