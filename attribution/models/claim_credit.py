"""The SQL of `claim_credit`: how each model comes from what a platform could claim to its credit.

A platform could claim a conversion whole if it was clicked within its window (`int_claimable`). A
model gives it a part: the rest of the conversion is other platforms', which claim it whole as
well, or other channels', or, seen by one campaign, other campaigns' of the platform. What the
window of one side holds and that of the other does not is apart, and so is the model that shares
no journeys. The differences add up, conversion by conversion.
"""

from collections.abc import Mapping

from attribution.models import WEIGHED
from attribution.models.rules import CreditModel
from attribution.models.shares import select, written

GRAIN = ("model", "kind", "platform", "channel", "campaign", "week")
MEASURES = ("attributed", "other_platforms", "other_channels", "own_campaigns", "window_gap")
_CELL = ("kind", "platform", "map_id", "week")


def claim_credit_sql(models: Mapping[str, CreditModel] = WEIGHED) -> str:
    """The mart `claim_credit`, header and all."""
    steps = {
        "owned": _owned(models),
        "given": _summed(models, ("conversion_id", "platform"), "owned", "own"),
        "every": _summed(models, ("conversion_id",), "owned", "all"),
        "parts": f"{_credited(models)}\nunion all\n{_claimed(models)}",
        "cells": _cells(models),
        "bought": _BOUGHT,
        "divided": _DIVIDED,
        "named": f"{_named(models)}\nunion all\n{_INCREMENTAL}\nunion all\n{_CLICKED}",
        "final": _FINAL,
    }
    inputs = [
        *("int_claimable", "int_claim_terms", "int_platforms", "int_channel_map"),
        *("int_conversions", "int_shares", "int_incremental", "stg_ad_spend"),
    ]
    sentence = "How each model comes from what platforms could claim to what it credits them with."
    return written(sentence, GRAIN, inputs, steps) + f"order by {', '.join(GRAIN)}\n"


def _owned(models: Mapping[str, CreditModel]) -> str:
    """What each touch of a platform is given, of the kinds that the platform claims."""
    columns = ["int_shares.conversion_id", "int_platforms.platform", "int_shares.map_id"]
    columns += [f"int_conversions.{name}" for name in ("kind", "week", "conversions")]
    columns += [f"sum(int_shares.{name}_share) as {name}_share" for name in models]
    return select(
        columns,
        "from int_shares\n"
        "inner join int_platforms on int_shares.map_id = int_platforms.map_id\n"
        "inner join int_conversions\n"
        "    on int_shares.conversion_id = int_conversions.conversion_id\n"
        "inner join int_claim_terms\n    on\n"
        "        int_platforms.platform = int_claim_terms.platform\n"
        "        and int_conversions.kind = int_claim_terms.kind\n"
        "group by 1, 2, 3, 4, 5, 6",
    )


def _summed(models: Mapping[str, CreditModel], grain: tuple[str, ...], table: str, end: str) -> str:
    columns = [*grain, *(f"sum({name}_share) as {name}_{end}" for name in models)]
    return select(columns, f"from {table}\ngroup by {', '.join(grain)}")


def _credited(models: Mapping[str, CreditModel]) -> str:
    """Each campaign's credit; where the platform could not claim it, it is beyond its window."""
    columns = [f"owned.{column}" for column in _CELL]
    for name in models:
        share = f"owned.conversions * owned.{name}_share"
        claimable = "int_claimable.conversion_id is not null"
        columns += [
            f"{share} as {name}_attributed",
            f"0 as {name}_other_platforms",
            f"0 as {name}_other_channels",
            f"case when {claimable} then -{share} else 0 end as {name}_own_campaigns",
            f"case when {claimable} then 0 else -{share} end as {name}_window_gap",
        ]
    return select(
        columns,
        "from owned\nleft join int_claimable\n    on\n"
        "        owned.conversion_id = int_claimable.conversion_id\n"
        "        and owned.platform = int_claimable.platform",
    )


def _claimed(models: Mapping[str, CreditModel]) -> str:
    """Each conversion that could be claimed whole, by who is given what of it."""
    columns = [f"int_claimable.{column}" for column in _CELL]
    whole = "int_claimable.conversions"
    for name in models:
        own, every = f"given.{name}_own", f"every.{name}_all"
        # Nothing of the platform in the journey: its window holds what ours does not.
        nothing = "case when given.platform is null then"
        columns += [
            f"0 as {name}_attributed",
            f"coalesce({whole} * ({every} - {own}), 0) as {name}_other_platforms",
            f"{nothing} 0 else {whole} * (1 - {every}) end as {name}_other_channels",
            f"coalesce({whole} * {own}, 0) as {name}_own_campaigns",
            f"{nothing} {whole} else 0 end as {name}_window_gap",
        ]
    return select(
        columns,
        "from int_claimable\nleft join given\n    on\n"
        "        int_claimable.conversion_id = given.conversion_id\n"
        "        and int_claimable.platform = given.platform\n"
        "left join every on int_claimable.conversion_id = every.conversion_id",
    )


def _cells(models: Mapping[str, CreditModel]) -> str:
    sums = [f"sum({name}_{measure}) as {name}_{measure}" for name in models for measure in MEASURES]
    return select([*_CELL, *sums], f"from parts\ngroup by {', '.join(_CELL)}")


def _named(models: Mapping[str, CreditModel]) -> str:
    parts = []
    for name in models:
        columns = [f"'{name}' as model", *(f"cells.{c}" for c in ("kind", "platform"))]
        columns += [*_NAMES, "cells.week"]
        columns += [f"cells.{name}_{measure} as {measure}" for measure in MEASURES]
        columns.append("0 as by_effect")
        source = "from cells\ninner join int_channel_map on cells.map_id = int_channel_map.map_id"
        parts.append(select(columns, source))
    return "\nunion all\n".join(parts)


_NAMES = ("int_channel_map.channel", "int_channel_map.campaign")

# Incremental credit knows a channel and a campaign. Several platforms may have the two, as
# campaigns are copied from one to the other: each has the part of the credit that it has of the
# spend.
_BOUGHT = """
select
    int_channel_map.channel,
    int_channel_map.campaign,
    int_platforms.platform,
    greatest(coalesce(sum(stg_ad_spend.spend_micros), 0), 0) as spend_micros,
    min(stg_ad_spend.currency) as first_currency,
    max(stg_ad_spend.currency) as last_currency
from int_channel_map
left join int_platforms on int_channel_map.map_id = int_platforms.map_id
left join stg_ad_spend
    on
        int_channel_map.utm_source = stg_ad_spend.utm_source
        and int_channel_map.utm_medium = stg_ad_spend.utm_medium
        and int_channel_map.utm_campaign = stg_ad_spend.utm_campaign
        and int_channel_map.campaign_id = stg_ad_spend.campaign_id
where int_channel_map.kind = 'ad_spend'
group by 1, 2, 3
""".strip()

# Money of two currencies cannot be compared: then, as where nothing was spent, parts are equal.
_DIVIDED = """
select
    bought.channel,
    bought.campaign,
    bought.platform,
    case
        when whole.spend_micros > 0 and whole.first_currency = whole.last_currency
            then cast(bought.spend_micros as double) / cast(whole.spend_micros as double)
        else 1 / cast(whole.platforms as double)
    end as part
from bought
inner join (

    select
        channel,
        campaign,
        sum(spend_micros) as spend_micros,
        min(first_currency) as first_currency,
        max(last_currency) as last_currency,
        count(platform) as platforms
    from bought
    group by 1, 2

) as whole
    on bought.channel = whole.channel and bought.campaign = whole.campaign
where bought.platform is not null
""".strip()

_INCREMENTAL = """
select
    'incremental' as model,
    int_incremental.kind,
    divided.platform,
    int_incremental.channel,
    int_incremental.campaign,
    int_incremental.week,
    cast(cast(int_incremental.conversions as double) * divided.part as decimal(38, 12))
        as attributed,
    0 as other_platforms,
    0 as other_channels,
    0 as own_campaigns,
    0 as window_gap,
    cast(-cast(int_incremental.conversions as double) * divided.part as decimal(38, 12))
        as by_effect
from int_incremental
inner join divided
    on
        int_incremental.channel = divided.channel
        and int_incremental.campaign = divided.campaign
inner join int_claim_terms
    on
        divided.platform = int_claim_terms.platform
        and int_incremental.kind = int_claim_terms.kind
where divided.part > 0
""".strip()

_CLICKED = """
select
    'incremental' as model,
    int_claimable.kind,
    int_claimable.platform,
    int_channel_map.channel,
    int_channel_map.campaign,
    int_claimable.week,
    0 as attributed,
    0 as other_platforms,
    0 as other_channels,
    0 as own_campaigns,
    0 as window_gap,
    int_claimable.conversions as by_effect
from int_claimable
inner join int_channel_map on int_claimable.map_id = int_channel_map.map_id
""".strip()

_FINAL = """
select
    model,
    kind,
    platform,
    channel,
    campaign,
    week,
    cast(sum(cast(attributed as decimal(38, 12))) as double) as attributed,
    cast(sum(cast(other_platforms as decimal(38, 12))) as double) as other_platforms,
    cast(sum(cast(other_channels as decimal(38, 12))) as double) as other_channels,
    cast(sum(cast(own_campaigns as decimal(38, 12))) as double) as own_campaigns,
    cast(sum(cast(window_gap as decimal(38, 12))) as double) as window_gap,
    cast(sum(cast(by_effect as decimal(38, 12))) as double) as by_effect
from named
group by 1, 2, 3, 4, 5, 6
""".strip()
