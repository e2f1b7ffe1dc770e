-- Every touch has exactly one channel: none is dropped and none is counted twice.
-- inputs: raw_touchpoint, raw_call, raw_message, int_contact_touches, touch_volume

with

loaded as (

    select count(*) as touches
    from raw_touchpoint
    union all
    select count(*) as touches
    from raw_call
    union all
    select count(*) as touches
    from int_contact_touches
    union all
    select count(sent_at) + count(case when sent_at is not null then clicked_at end) as touches
    from raw_message
    where arm = 'treated' and purpose = 'marketing'

),

shown as (

    select coalesce(sum(touches), 0) as touches
    from touch_volume

),

final as (

    select shown.touches
    from shown
    where shown.touches <> (select sum(loaded.touches) as touches from loaded)

)

select * from final
