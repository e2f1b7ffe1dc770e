-- What each source has brought so far: how many rows of each kind, and over which days.
-- grain: source, account, table_name
-- inputs: stg_load

with

final as (

    select
        source,
        account,
        table_name,
        first_day,
        last_day,
        rows_loaded
    from stg_load

)

select * from final
order by source, account, table_name
