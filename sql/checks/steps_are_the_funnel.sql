-- Who was contacted, and how many there were, is the same by steps as by campaign.
-- inputs: reactivation_steps, reactivation

with

steps as (

    select
        cohort_month,
        campaign,
        arm,
        sum(people) as silent,
        sum(case when reached >= 4 then people else 0 end) as contacted,
        sum(value_micros) as value_micros
    from reactivation_steps
    group by 1, 2, 3

),

arms as (

    select
        cohort_month,
        campaign,
        arm,
        sum(silent) as silent,
        sum(contacted) as contacted,
        sum(value_micros) as value_micros
    from reactivation
    group by 1, 2, 3

),

final as (

    select
        coalesce(steps.cohort_month, arms.cohort_month) as cohort_month,
        coalesce(steps.campaign, arms.campaign) as campaign
    from steps
    full outer join arms
        on
            steps.cohort_month = arms.cohort_month
            and steps.campaign = arms.campaign
            and steps.arm = arms.arm
    where
        steps.silent is null
        or arms.silent is null
        or steps.silent <> arms.silent
        or steps.contacted <> arms.contacted
        or steps.value_micros <> arms.value_micros

)

select * from final
