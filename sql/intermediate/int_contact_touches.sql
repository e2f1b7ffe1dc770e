-- First touches that only the CRM knows of.
-- grain: source, account, contact_id
-- inputs: stg_contact, stg_touchpoint
--
-- Where web analytics recorded the person within a day of it, the CRM tells the same visit again.

with

first_touches as (

    select
        source,
        account,
        contact_id,
        person_id,
        first_touch_at as touched_at,
        utm_source,
        utm_medium,
        utm_campaign
    from stg_contact
    where first_touch_at is not null

),

told_twice as (

    select distinct
        first_touches.source,
        first_touches.account,
        first_touches.contact_id
    from first_touches
    inner join stg_touchpoint
        on
            first_touches.person_id = stg_touchpoint.person_id
            and stg_touchpoint.touched_at
            between first_touches.touched_at - interval '1' day
            and first_touches.touched_at + interval '1' day

),

final as (

    select first_touches.*
    from first_touches
    left join told_twice
        on
            first_touches.source = told_twice.source
            and first_touches.account = told_twice.account
            and first_touches.contact_id = told_twice.contact_id
    where told_twice.contact_id is null

)

select * from final
