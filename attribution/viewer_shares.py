"""What viewers are told that follows from what they were told of conversions and credit.

Spend under names that stand there, and what models say as shares of what was told.
"""

from sqlalchemy import Connection

from attribution.small_cells import OTHER
from attribution.viewer_cells import block_of
from attribution.viewer_file import VIEWERS, create


def spend(connection: Connection) -> None:
    """Spend, under the service lines and places that have names in the same block.

    In a block in which a name is folded its patients are in Other, and so is its spend: a price
    would set the spend of all blocks against the patients of some. What belongs to no line has
    none, and stays as it is.
    """
    columns = ", ".join(
        f"case when {name} <> 'unassigned' and {name} in (select {name} from main.conversions)"
        f" and not exists (select 1 from {VIEWERS}.conversions as told"
        f" where told.{name} = spend.{name} and told.week = {block_of('spend.week')})"
        f" then '{OTHER}' else {name} end as {name}"
        for name in ("service_line", "location")
    )
    grain = "channel, campaign, service_line, location, week, currency"
    create(
        connection,
        "spend",
        f"select channel, campaign, {columns}, week, currency,"
        " cast(sum(spend_micros) as bigint) as spend_micros,"
        " cast(sum(impressions) as bigint) as impressions, cast(sum(clicks) as bigint) as clicks"
        " from main.spend group by all",
        grain,
    )


def removal_effects(connection: Connection) -> None:
    """Removal effects of the channels that are told by their names.

    An effect times all conversions is about how many ran through a channel: of one that is folded
    everywhere that would be its small cell again.
    """
    create(
        connection,
        "removal_effect",
        f"""
        select effects.* from main.removal_effect as effects
        inner join (
            select distinct kind, channel from {VIEWERS}.credit where model <> 'incremental'
        ) as told
            on effects.kind = told.kind and effects.channel = told.channel
        """,
        "kind, channel",
    )


def incremental(connection: Connection) -> None:
    """What the incremental model says, as shares of what viewers are told was converted."""
    create(
        connection,
        "incremental",
        f"""
        select
            i.* replace (
                coalesce(i.share * told.conversions, 0) as conversions,
                cast(coalesce(i.value_micros * told.conversions / nullif(whole.conversions, 0), 0)
                    as bigint) as value_micros,
                i.low * told.conversions / nullif(whole.conversions, 0) as low,
                i.high * told.conversions / nullif(whole.conversions, 0) as high
            )
        from main.incremental as i
        left join (
            select kind, cast(sum(conversions) as double) as conversions
            from {VIEWERS}.conversions group by kind
        ) as told on i.kind = told.kind
        left join (
            select kind, sum(conversions) as conversions from main.incremental group by kind
        ) as whole on i.kind = whole.kind
        """,
        "kind, channel",
    )
