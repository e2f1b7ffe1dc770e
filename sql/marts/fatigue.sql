-- How people answer a message by how many they had in the days before it.
-- grain: window_days, channel, had
-- inputs: int_sent_messages, int_reach
--
-- Messages of all flows and of the whole span, but those of the last 14 days, which may still be
-- answered. A person is in the row of each number that they reached; `responders` answered at
-- least one of its messages. `messages_squared` and the others are sums over people of products of
-- their own counts: from them comes an interval that knows that messages of one person are alike.

with

windows as (

    select
        30 as window_days,
        who,
        channel,
        had_30 as had,
        responded,
        opted_out,
        sent_at
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
        sent_at
    from int_sent_messages
    where delivered = 1

),

persons as (

    select
        windows.window_days,
        windows.channel,
        case
            when windows.had < 4 then cast(windows.had as varchar)
            when windows.had < 6 then '4-5'
            else '6+'
        end as had,
        windows.who,
        count(*) as messages,
        cast(sum(windows.responded) as bigint) as responded,
        cast(sum(windows.opted_out) as bigint) as opted_out
    from windows
    cross join int_reach
    where windows.sent_at < int_reach.last_day - interval '14' day
    group by 1, 2, 3, 4

),

final as (

    select
        window_days,
        channel,
        had,
        count(*) as people,
        cast(sum(case when responded > 0 then 1 else 0 end) as bigint) as responders,
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
