-- What tips, warnings and videos added to bookings and kept visits, where people were held out.
-- grain: flow, outcome
-- inputs: int_flow_effects
--
-- The difference of the shares of people with a booking (`booked`) and with a kept visit
-- (`returned`) within 90 days, adjusted for the year before, with its 90% intervals: shares, and
-- nothing that is counted. Only of arms with many people, of whom not few did it and not few did
-- not. Solved by attribution/models/arm_lift.py.

with

final as (

    select
        flow,
        arm,
        people,
        booked,
        returned,
        before_kept,
        before_kept_squared,
        booked_both,
        returned_both
    from int_flow_effects
    where topic in ('tips', 'pollen', 'video')

)

select * from final
