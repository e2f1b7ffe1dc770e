-- What became of messages, by flow, channel and whether the person prefers it.
-- grain: flow, channel, purpose, topic, channel_wish, weeks, week
-- inputs: int_sent_messages
--
-- Rows of one week count messages, and `people` the different people they were sent to. Rows of
-- four weeks count people, each once in everything: they are what small cells are folded from, and
-- overlap with those of one week. `machine_opened` are messages that only a program opened.

with

one_week as (

    select
        flow,
        channel,
        purpose,
        topic,
        channel_wish,
        1 as weeks,
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
    from int_sent_messages
    group by flow, channel, purpose, topic, channel_wish, week

),

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

four_weeks as (

    select
        flow,
        channel,
        purpose,
        topic,
        channel_wish,
        4 as weeks,
        block as week,
        count(*) as people,
        count(*) as sent,
        cast(sum(delivered) as bigint) as delivered,
        cast(sum(responded) as bigint) as responded,
        cast(sum(opened) as bigint) as opened,
        cast(sum(machine_opened) as bigint) as machine_opened,
        cast(sum(clicked) as bigint) as clicked,
        cast(sum(replied) as bigint) as replied,
        cast(sum(opted_out) as bigint) as opted_out
    from persons
    group by flow, channel, purpose, topic, channel_wish, block

),

final as (

    select * from one_week
    union all
    select * from four_weeks

)

select * from final
order by flow, channel, purpose, topic, channel_wish, weeks, week
