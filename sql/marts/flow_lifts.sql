-- What tips, warnings and videos added to bookings and kept visits, where people were held out.
-- grain: flow, outcome
-- inputs: int_flow_lifts
--
-- Shares, and nothing that is counted: for every reader.

with

final as (

    select
        flow,
        outcome,
        effect,
        low,
        high,
        anytime_low,
        anytime_high
    from int_flow_lifts

)

select * from final
order by flow, outcome
