-- What became of messages, by flow, channel and whether the person prefers it.
-- grain: flow, channel, purpose, topic, channel_wish, weeks, week
-- inputs: int_sent_messages
--
-- Rows of one week count messages, and `people` the different people they were sent to. Rows of
-- four weeks count people, each once in everything: they are what small cells are folded from, and
-- overlap with those of one week. `machine_opened` are messages that only a program opened.

with

persons as (

    select
        flow,
        channel,
        purpose,
        topic,
        channel_wish,
        block,
        who,
        max(delivered) as delivered,
        max(responded) as responded,
        max(opened) as opened,
        max(machine_opened) as machine_opened,
        max(clicked) as clicked,
        max(replied) as replied,
        max(opted_out) as opted_out
    from int_sent_messages
    group by flow, channel, purpose, topic, channel_wish, block, who

),

counted as (

    select
        flow,
        channel,
        purpose,
        topic,
        channel_wish,
        1 as weeks,
        week,
        who,
        delivered,
        responded,
        opened,
        machine_opened,
        clicked,
        replied,
        opted_out
    from int_sent_messages
    union all
    select
        flow,
        channel,
        purpose,
        topic,
        channel_wish,
        4 as weeks,
        block as week,
        who,
        delivered,
        responded,
        opened,
        machine_opened,
        clicked,
        replied,
        opted_out
    from persons

),

final as (

    select
        flow,
        channel,
        purpose,
        topic,
        channel_wish,
        weeks,
        week,
        count(distinct who) as people,
        count(*) as sent,
        cast(sum(delivered) as bigint) as delivered,
        cast(sum(responded) as bigint) as responded,
        cast(sum(opened) as bigint) as opened,
        cast(sum(machine_opened) as bigint) as machine_opened,
        cast(sum(clicked) as bigint) as clicked,
        cast(sum(replied) as bigint) as replied,
        cast(sum(opted_out) as bigint) as opted_out
    from counted
    group by flow, channel, purpose, topic, channel_wish, weeks, week

)

select * from final
order by flow, channel, purpose, topic, channel_wish, weeks, week
