-- Rows that broke the contract and were kept out, with the reason.
-- grain: source, account, file, row_number, table_name, column_name
-- inputs: raw_rejected
--
-- A file's name is text that somebody chose, so it may name a person.

with

final as (

    select
        source,
        account,
        case
            when regexp_matches(file, '[^ @]+(@|%40)[^ @]+[.]|[0-9a-fA-F]{32}') then '(hidden)'
            else file
        end as file,
        row_number,
        coalesce(table_name, '') as table_name,
        coalesce(column_name, '') as column_name,
        min(shape) as shape,
        min(reason) as reason
    from raw_rejected
    group by 1, 2, 3, 4, 5, 6

)

select * from final
