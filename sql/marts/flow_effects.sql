-- What people did in the 90 days after a flow first meant them, by whether they were held out.
-- grain: flow, arm
-- inputs: int_flow_effects
--
-- The columns are described in sql/intermediate/int_flow_effects.sql.

with

final as (

    select
        flow,
        arm,
        topic,
        purpose,
        people,
        waiting,
        reached,
        responded,
        booked,
        returned,
        kept,
        kept_squared,
        before_kept,
        before_kept_squared,
        kept_both,
        returned_both,
        booked_both,
        cents,
        cents_squared,
        before_cents,
        before_cents_squared,
        cents_both
    from int_flow_effects

)

select * from final
order by flow, arm
