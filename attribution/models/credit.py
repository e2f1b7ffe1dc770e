"""The SQL of the marts made from `int_shares`: `credit`, `credit_groups` and `credit_leans`.

All models are in one row of each; `credit` turns them into a row each, and adds the model that is
no share of a journey: `int_incremental`, as it is. Whole micros are handed out by what was given
away up to a touch, so money adds up as shares do.
"""

from collections.abc import Mapping
from textwrap import indent

from attribution.models import WEIGHED
from attribution.models.rules import CreditModel
from attribution.models.shares import select, written

GRAIN = ("model", "kind", "channel", "campaign", "service_line", "location", "week", "currency")
_CELL = ("kind", "service_line", "location", "week", "currency")
# People are put into so many groups; leaving out one after the other says how sure credit is.
GROUPS = 100


def credit_sql(models: Mapping[str, CreditModel] = WEIGHED) -> str:
    """The mart `credit`, header and all."""
    steps = {
        "credited": _credited(models),
        "nobody": _NOBODY,
        "named": f"{_named(models)}\nunion all\n{_INCREMENTAL}",
        "final": _FINAL,
    }
    return _mart(
        "What each channel and campaign is credited with under each model, week by week.",
        GRAIN,
        ["int_channel_map", "int_conversions", "int_shares", "int_incremental"],
        steps,
    )


def credit_groups_sql(models: Mapping[str, CreditModel] = WEIGHED) -> str:
    """The mart `credit_groups`: credit by channel for each of a hundred groups of people."""
    columns = [*(f"int_conversions.{c}" for c in _CELL[:1]), "int_channel_map.channel"]
    columns += [f"int_conversions.{column}" for column in _CELL[1:]]
    columns.append(f"cast(int_conversions.person_id % {GROUPS} as integer) as person_group")
    for name in models:
        conversions, value = handed_out(name)
        columns.append(f"cast({conversions} as double) as {name}_conversions")
        columns.append(f"cast({value} as bigint) as {name}_value")
    source = (
        "from int_shares\ninner join int_conversions\n"
        "    on int_shares.conversion_id = int_conversions.conversion_id\n"
        "inner join int_channel_map on int_shares.map_id = int_channel_map.map_id\n"
        "group by 1, 2, 3, 4, 5, 6, 7"
    )
    return _mart(
        "What each channel is credited with, apart for each of a hundred groups of people.",
        ("kind", "channel", *_CELL[1:], "person_group"),
        ["int_channel_map", "int_conversions", "int_shares"],
        {"final": select(columns, source)},
    )


def credit_leans_sql(models: Mapping[str, CreditModel] = WEIGHED) -> str:
    """The mart `credit_leans`: how credit moves between two channels when their weights do.

    With shares s of a journey, ds_c / d log w_k = s_c ([c = k] - s_k): the product of two shares,
    added up over journeys, is what both the one gains and the other loses.
    """
    learned = [name for name, model in models.items() if model.learned]
    by_channel = select(
        [
            "int_shares.conversion_id",
            "int_channel_map.channel",
            *(f"cast(sum(int_shares.{n}_share) as decimal(18, 12)) as {n}_share" for n in learned),
        ],
        "from int_shares\n"
        "inner join int_channel_map on int_shares.map_id = int_channel_map.map_id\ngroup by 1, 2",
    )
    columns = ["int_conversions.kind", "channels.channel", "rivals.channel as rival"]
    columns += [f"int_conversions.{column}" for column in _CELL[1:]]
    for name in learned:
        both = f"cast(channels.{name}_share * rivals.{name}_share as decimal(18, 12))"
        for amount, result, kind in (
            ("conversions", "conversions", "double"),
            ("value_micros", "value", "bigint"),
        ):
            product = f"int_conversions.{amount} * {both}"
            whole = product if kind == "double" else f"cast(round({product}) as bigint)"
            columns.append(f"cast(sum({whole}) as {kind}) as {name}_{result}")
    source = (
        "from channels\ninner join channels as rivals\n    on\n"
        "        channels.conversion_id = rivals.conversion_id\n"
        "        and channels.channel < rivals.channel\n"
        "inner join int_conversions on channels.conversion_id = int_conversions.conversion_id\n"
        "group by 1, 2, 3, 4, 5, 6, 7"
    )
    return _mart(
        "How far two channels share journeys, by the learned models: what one gains of the other.",
        ("kind", "channel", "rival", *_CELL[1:]),
        ["int_channel_map", "int_conversions", "int_shares"],
        {"channels": by_channel, "final": select(columns, source)},
    )


def _mart(sentence: str, grain: tuple[str, ...], inputs: list[str], steps: dict[str, str]) -> str:
    return written(sentence, grain, inputs, steps) + f"order by {', '.join(grain)}\n"


def handed_out(name: str, counted: str = "int_conversions") -> tuple[str, str]:
    """Conversions and micros of a group of touches under a model, of what a table counts."""
    conversions = f"sum({counted}.conversions * int_shares.{name}_share)"
    upto = f"int_shares.{name}_upto"
    until, before = (
        f"cast(round({counted}.value_micros * cast({given} as double)) as bigint)"
        for given in (upto, f"({upto} - int_shares.{name}_share)")
    )
    return conversions, f"sum(\n    {until}\n    - {before}\n)"


def _credited(models: Mapping[str, CreditModel]) -> str:
    columns = []
    for name in models:
        conversions, value = handed_out(name)
        columns += [f"{conversions} as {name}_conversions", f"{value} as {name}_value"]
    groups = "\n".join(f"    int_conversions.{column}," for column in _CELL)
    return select(
        ["int_shares.map_id", *(f"int_conversions.{column}" for column in _CELL), *columns],
        "from int_shares\ninner join int_conversions\n"
        "    on int_shares.conversion_id = int_conversions.conversion_id\n"
        f"group by\n{groups}\n    int_shares.map_id",
    )


def _named(models: Mapping[str, CreditModel]) -> str:
    names = "\nunion all\n".join(f"select '{name}' as model" for name in models)
    columns = [
        "models.model",
        *(f"credited.{column}" for column in _CELL),
        "int_channel_map.channel",
        "int_channel_map.campaign",
        _choice(models, "conversions"),
        _choice(models, "value"),
    ]
    attributed = select(
        columns,
        f"from credited\ncross join (\n\n{indent(names, '    ')}\n\n) as models\n"
        "inner join int_channel_map on credited.map_id = int_channel_map.map_id",
    )
    nobody = select(
        [
            "models.model",
            *(f"nobody.{column}" for column in _CELL),
            "'unattributed' as channel",
            "'' as campaign",
            "nobody.conversions",
            "nobody.value_micros",
        ],
        f"from nobody\ncross join (\n\n{indent(names, '    ')}\n\n) as models",
    )
    return f"{attributed}\nunion all\n{nobody}"


def _choice(models: Mapping[str, CreditModel], what: str) -> str:
    arms = "\n".join(f"    when '{name}' then credited.{name}_{what}" for name in models)
    return f"case models.model\n{arms}\nend as {'value_micros' if what == 'value' else what}"


_NOBODY = """
select
    int_conversions.kind,
    int_conversions.service_line,
    int_conversions.location,
    int_conversions.week,
    int_conversions.currency,
    cast(sum(int_conversions.conversions) as decimal(38, 12)) as conversions,
    sum(int_conversions.value_micros) as value_micros
from int_conversions
left join int_shares
    on
        int_conversions.conversion_id = int_shares.conversion_id
        and int_shares.step = 1
where int_shares.conversion_id is null
group by 1, 2, 3, 4, 5
"""

_INCREMENTAL = """
select
    'incremental' as model,
    kind,
    service_line,
    location,
    week,
    currency,
    channel,
    campaign,
    conversions,
    value_micros
from int_incremental
""".strip()

_FINAL = """
select
    model,
    kind,
    channel,
    campaign,
    service_line,
    location,
    week,
    currency,
    cast(sum(conversions) as double) as conversions,
    cast(sum(value_micros) as bigint) as value_micros
from named
group by 1, 2, 3, 4, 5, 6, 7, 8
having sum(conversions) <> 0 or sum(value_micros) <> 0
"""
