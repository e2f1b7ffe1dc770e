-- Lift tests that the user ran: what a channel brought somewhere for some days.
-- grain: test_number
-- inputs: lift_tests

with

final as (

    select
        row_number() over (
            order by channel, kind, location, first_day, last_day, increment, standard_error, note
        ) as test_number,
        trim(channel) as channel,
        trim(kind) as kind,
        trim(location) as location,
        cast(trim(first_day) as date) as first_day,
        cast(trim(last_day) as date) as last_day,
        cast(trim(increment) as double) as increment,
        cast(trim(standard_error) as double) as standard_error
    from lift_tests

)

select * from final
