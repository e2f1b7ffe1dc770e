"""The SQL that tells why a channel is credited: where in journeys it stood, and beside whom.

`int_channel_shares` sums the shares of a journey's touches by channel; the marts `positions` and
`companions` count those rows. Nothing of single people is in the marts.
"""

from collections.abc import Mapping
from textwrap import indent

from attribution.models import MODELS
from attribution.models.rules import CreditModel
from attribution.models.shares import select, written

PLACES = ("alone", "first", "middle", "last", "both")
_CELL = ("service_line", "location", "quarter", "currency")
# `both` began the journey and ended it, with another channel between.
_PLACE = """case
    when touches = steps then 'alone'
    when first_step = 1 and last_step = steps then 'both'
    when first_step = 1 then 'first'
    when last_step = steps then 'last'
    else 'middle'
end as place"""


def channel_shares_sql(models: Mapping[str, CreditModel] = MODELS) -> str:
    """The table `int_channel_shares`: what each model gives each channel of a journey."""
    weighed = [name for name, model in models.items() if model.weight]
    return written(
        "What each model gives each channel of a journey, and where in the journey it stood.",
        ("conversion_id", "channel"),
        ["int_channel_map", "int_conversions", "int_shares"],
        {"channels": _channels(weighed), "final": _placed(weighed)},
    )


def positions_sql(models: Mapping[str, CreditModel] = MODELS) -> str:
    """The mart `positions`: how many journeys a channel began, ended or was alone in."""
    kept = ["int_conversions.kind", "int_channel_shares.channel", *_cell()]
    columns = [*kept, "int_channel_shares.place", *_numbers(models, "int_channel_shares")]
    grain = ("kind", "channel", *_CELL, "place")
    source = (
        "from int_channel_shares\ninner join int_conversions\n"
        "    on int_channel_shares.conversion_id = int_conversions.conversion_id\n"
        "group by 1, 2, 3, 4, 5, 6, 7"
    )
    return _mart(
        "Where in their journeys channels stood, and what each model gives them there.",
        grain,
        select(columns, source),
    )


def companions_sql(models: Mapping[str, CreditModel] = MODELS) -> str:
    """The mart `companions`: what a channel is credited in journeys that another was part of."""
    kept = ["int_conversions.kind", "own.channel", "others.channel as companion", *_cell()]
    grain = ("kind", "channel", "companion", *_CELL)
    source = (
        "from int_channel_shares as own\ninner join int_channel_shares as others\n    on\n"
        "        own.conversion_id = others.conversion_id\n"
        "        and own.channel <> others.channel\n"
        "inner join int_conversions on own.conversion_id = int_conversions.conversion_id\n"
        "group by 1, 2, 3, 4, 5, 6, 7"
    )
    return _mart(
        "Which channels share journeys, and what each model gives the one beside the other.",
        grain,
        select([*kept, *_numbers(models, "own")], source),
    )


def _mart(sentence: str, grain: tuple[str, ...], query: str) -> str:
    inputs = ["int_channel_shares", "int_conversions"]
    return written(sentence, grain, inputs, {"final": query}) + f"order by {', '.join(grain)}\n"


def _channels(models: list[str]) -> str:
    columns = [
        *("int_shares.conversion_id", "int_channel_map.channel"),
        "cast(count(*) as integer) as touches",
        "min(int_shares.step) as first_step",
        "max(int_shares.step) as last_step",
    ]
    for name in models:
        share, upto = f"int_shares.{name}_share", f"int_shares.{name}_upto"
        columns.append(f"cast(sum({share}) as decimal(18, 12)) as {name}_share")
        # As `credit` hands money out, so that both add up to the last millionth.
        until, before = (
            f"cast(round(int_conversions.value_micros * cast({given} as double)) as bigint)"
            for given in (upto, f"({upto} - {share})")
        )
        columns.append(
            f"cast(\n    sum(\n        {until}\n        - {before}\n    ) as bigint\n)"
            f" as {name}_value"
        )
    source = (
        "from int_shares\ninner join int_conversions\n"
        "    on int_shares.conversion_id = int_conversions.conversion_id\n"
        "inner join int_channel_map on int_shares.map_id = int_channel_map.map_id\n"
        "group by 1, 2"
    )
    return select(columns, source)


def _placed(models: list[str]) -> str:
    sums = [f"{name}_{what}" for name in models for what in ("share", "value")]
    steps = select(
        [
            "channels.*",
            "max(last_step) over (partition by conversion_id) as steps",
        ],
        "from channels",
    )
    return select(
        ["conversion_id", "channel", _PLACE, "touches", *sums],
        f"from (\n\n{indent(steps, '    ')}\n\n) as journeys",
    )


def _cell() -> list[str]:
    quarter = "cast(date_trunc('quarter', int_conversions.week) as date) as quarter"
    return [quarter if name == "quarter" else f"int_conversions.{name}" for name in _CELL]


def _numbers(models: Mapping[str, CreditModel], own: str) -> list[str]:
    """What rows of `own` come to. A refund is money of a journey that is counted already."""
    one = "case when int_conversions.conversions > 0 then 1 else 0 end"
    columns = [
        f"cast(sum({one}) as bigint) as journeys",
        f"cast(sum({own}.touches * {one}) as bigint) as touches",
        "cast(sum(int_conversions.conversions) as bigint) as conversions",
        "cast(sum(int_conversions.value_micros) as bigint) as value_micros",
    ]
    for name in (n for n, model in models.items() if model.weight):
        given = f"sum(int_conversions.conversions * {own}.{name}_share)"
        columns.append(f"cast({given} as double) as {name}_conversions")
        columns.append(f"cast(sum({own}.{name}_value) as bigint) as {name}_value")
    return columns
