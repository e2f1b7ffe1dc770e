-- What each campaign brought that would not have come without it, and what would have: baseline.
-- grain: kind, channel, campaign, service_line, location, week, currency
-- inputs: int_panel_conversions, int_incremental_shares, int_conversions
--
-- In every cell the channels and the baseline are what was converted, to the micro. Channels get
-- their share rounded down, so the baseline is never below nothing; refunds are the baseline's.
-- Nineteen digits times eighteen are the 38 that every engine keeps whole. A share of less than
-- a billionth is what rounding leaves of nothing. Weeks to come, which the panel leaves out, are
-- the baseline's.

with

shared as (

    select
        int_panel_conversions.kind,
        int_incremental_shares.channel,
        int_incremental_shares.campaign,
        int_panel_conversions.service_line,
        int_panel_conversions.location,
        int_panel_conversions.week,
        int_panel_conversions.currency,
        cast(
            cast(int_panel_conversions.conversions as decimal(19, 0))
            * cast(int_incremental_shares.share as decimal(18, 12)) as decimal(38, 12)
        ) as conversions,
        case
            when int_panel_conversions.value_micros > 0
                then cast(
                    floor(
                        cast(int_panel_conversions.value_micros as decimal(19, 0))
                        * cast(int_incremental_shares.share as decimal(18, 12))
                    ) as bigint
                )
            else 0
        end as value_micros
    from int_panel_conversions
    inner join int_incremental_shares
        on
            int_panel_conversions.kind = int_incremental_shares.kind
            and int_panel_conversions.service_line = int_incremental_shares.service_line
            and int_panel_conversions.location = int_incremental_shares.location
            and int_panel_conversions.week = cast(int_incremental_shares.week as date)
    where int_incremental_shares.share > 0.000000001

),

taken as (

    select
        kind,
        service_line,
        location,
        week,
        currency,
        sum(conversions) as conversions,
        sum(value_micros) as value_micros
    from shared
    group by 1, 2, 3, 4, 5

),

converted as (

    select
        kind,
        service_line,
        location,
        week,
        currency,
        cast(sum(conversions) as bigint) as conversions,
        cast(sum(value_micros) as bigint) as value_micros
    from int_conversions
    group by 1, 2, 3, 4, 5

),

baseline as (

    select
        converted.kind,
        'baseline' as channel,
        '' as campaign,
        converted.service_line,
        converted.location,
        converted.week,
        converted.currency,
        cast(
            converted.conversions - coalesce(taken.conversions, 0) as decimal(38, 12)
        ) as conversions,
        cast(converted.value_micros - coalesce(taken.value_micros, 0) as bigint) as value_micros
    from converted
    left join taken
        on
            converted.kind = taken.kind
            and converted.service_line = taken.service_line
            and converted.location = taken.location
            and converted.week = taken.week
            and converted.currency = taken.currency

),

together as (

    select
        kind,
        channel,
        campaign,
        service_line,
        location,
        week,
        currency,
        conversions,
        value_micros
    from shared
    union all
    select
        kind,
        channel,
        campaign,
        service_line,
        location,
        week,
        currency,
        conversions,
        value_micros
    from baseline

),

final as (

    select *
    from together
    where conversions <> 0 or value_micros <> 0

)

select * from final
