-- No step of the reactivation funnel holds more people than the step before.
-- inputs: reactivation
--
-- People who were meant to be treated but never reached may come back too; they stay in their
-- arm, so booked is held against silent and not against engaged.

with

final as (

    select
        cohort_month,
        campaign,
        arm
    from reactivation
    where
        contacted > silent
        or engaged > contacted
        or booked > silent
        or kept > booked
        or retained > kept
        or (arm <> 'treated' and contacted + engaged > 0)

)

select * from final
