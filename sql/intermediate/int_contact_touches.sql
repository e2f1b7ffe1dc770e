-- First touches that only the CRM knows of.
-- grain: source, account, contact_id
-- inputs: stg_contact, stg_touchpoint, setting_uncounted
--
-- Where web analytics recorded the person within a day of it, the CRM tells the same visit again;
-- what is not counted as a touch, such as an opened e-mail, does not stand for it.

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
    left join setting_uncounted on stg_touchpoint.kind = setting_uncounted.kind
    where setting_uncounted.kind is null

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
