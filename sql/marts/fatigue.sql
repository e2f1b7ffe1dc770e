-- How people answer a message by how many they had in the days before it.
-- grain: window_days, channel, had
-- inputs: int_sent_messages, int_reach, setting_report
--
-- Messages of all flows and of the whole span, but those of the last 14 days, which may still be
-- answered. A person is in the row of each number that they reached, but in `most_people` of one
-- row of a window alone: that of the message at which they had most, the first where several are;
-- `most_responders` answered it. They are what small cells are folded from. `messages_squared`
-- and the others are sums over people of products of their own counts: from them comes an interval
-- that knows that messages of one person are alike.

with

windows as (

    select
        30 as window_days,
        who,
        channel,
        had_30 as had,
        responded,
        opted_out,
        sent_at,
        source,
        account,
        message_id
    from int_sent_messages
    where delivered = 1
    union all
    select
        90 as window_days,
        who,
        channel,
        had_90 as had,
        responded,
        opted_out,
        sent_at,
        source,
        account,
        message_id
    from int_sent_messages
    where delivered = 1

),

ranged as (

    select
        windows.window_days,
        windows.channel,
        case
            when windows.had < 4 then cast(windows.had as varchar)
            when windows.had < 6 then '4-5'
            else '6+'
        end as had,
        windows.who,
        windows.responded,
        windows.opted_out,
        row_number() over (
            partition by windows.window_days, windows.who
            order by
                windows.had desc,
                windows.sent_at asc,
                windows.message_id asc,
                windows.source asc,
                windows.account asc
        ) as place
    from windows
    cross join int_reach
    cross join setting_report
    where
        cast(windows.sent_at at time zone setting_report.timezone as date)
        <= int_reach.last_day - interval '14' day

),

persons as (

    select
        window_days,
        channel,
        had,
        who,
        count(*) as messages,
        max(case when place = 1 then 1 else 0 end) as had_most,
        max(case when place = 1 then responded else 0 end) as answered_most,
        cast(sum(responded) as bigint) as responded,
        cast(sum(opted_out) as bigint) as opted_out
    from ranged
    group by window_days, channel, had, who

),

final as (

    select
        window_days,
        channel,
        had,
        count(*) as people,
        cast(sum(had_most) as bigint) as most_people,
        cast(sum(answered_most) as bigint) as most_responders,
        cast(sum(messages) as bigint) as messages,
        cast(sum(responded) as bigint) as responded,
        cast(sum(opted_out) as bigint) as opted_out,
        cast(sum(messages * messages) as bigint) as messages_squared,
        cast(sum(responded * responded) as bigint) as responded_squared,
        cast(sum(opted_out * opted_out) as bigint) as opted_out_squared,
        cast(sum(messages * responded) as bigint) as messages_responded,
        cast(sum(messages * opted_out) as bigint) as messages_opted_out
    from persons
    group by window_days, channel, had

)

select * from final
order by window_days, channel, had
