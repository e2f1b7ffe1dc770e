-- Lift tests that the user ran: what a channel brought somewhere for some days.
-- grain: test_number
-- inputs: lift_tests
--
-- Rows of one `test` are parts of it: its places and days. Each says what the whole test found.
-- `is_recorded` are results that the ledger has, and no file.

with

final as (

    select
        row_number() over (
            order by
                channel,
                kind,
                location,
                service_line,
                first_day,
                last_day,
                increment,
                standard_error,
                note,
                test
        ) as test_number,
        trim(channel) as channel,
        trim(kind) as kind,
        trim(location) as location,
        trim(service_line) as service_line,
        cast(trim(first_day) as date) as first_day,
        cast(trim(last_day) as date) as last_day,
        cast(trim(increment) as double) as increment,
        cast(trim(standard_error) as double) as standard_error,
        trim(test) as test,
        recorded <> '' as is_recorded
    from lift_tests

)

select * from final
