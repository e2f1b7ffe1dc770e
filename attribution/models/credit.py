"""The SQL of the `credit` mart, written from the registry so that all models run in one pass.

A journey's credit is handed out along its steps: after each step the model has given away the
share `reached / total`, rounded to twelve decimals, and a touch gets what its step added. So the
shares of a journey add up to exactly one, and the whole micros of its value to exactly the
value, whatever the order in which the engine adds.
"""

from collections.abc import Mapping
from textwrap import indent

from attribution.models import MODELS
from attribution.models.rules import COLUMNS, CreditModel

GRAIN = ("model", "kind", "channel", "campaign", "service_line", "location", "week", "currency")
_INPUTS = ("int_channel_map", "int_conversions", "int_journey_touches", "setting_model")
_LEARNED = "int_learned_weights"


def credit_sql(models: Mapping[str, CreditModel] = MODELS) -> str:
    """The model `credit`, header and all."""
    steps = {
        "parameters": _parameters(models),
        **_learned(models),
        "weighed": _weighed(models),
        "reached": _reached(models),
        "shared": _shared(models),
        "credited": _credited(models),
        "nobody": _NOBODY,
        "named": _named(models),
        "final": _FINAL,
    }
    inputs = [*_INPUTS, _LEARNED] if "learned" in steps else _INPUTS
    ctes = ",\n\n".join(
        f"{name} as (\n\n{indent(sql.strip(chr(10)), '    ')}\n\n)" for name, sql in steps.items()
    )
    return (
        "-- What each channel and campaign is credited with under each model, week by week.\n"
        f"-- grain: {', '.join(GRAIN)}\n"
        f"-- inputs: {', '.join(inputs)}\n\n"
        f"with\n\n{ctes}\n\nselect * from final\norder by {', '.join(GRAIN)}\n"
    )


def _parameters(models: Mapping[str, CreditModel]) -> str:
    columns = [
        f"max(case when model = '{model.name}' and parameter = '{parameter}' then amount end)"
        f" as {model.parameter_column(parameter)}"
        for model in models.values()
        for parameter in model.parameters
    ] or ["count(*) as parameters"]
    return _select(columns, "from setting_model")


def _learned(models: Mapping[str, CreditModel]) -> dict[str, str]:
    """A row for each kind and pair of channel and campaign, a column for each learned model."""
    columns = [
        f"max(\n    case when {_LEARNED}.model = '{model.name}' then {_LEARNED}.weight end\n)"
        f" as {model.learned_column}"
        for model in models.values()
        if model.learned
    ]
    source = (
        f"from {_LEARNED}\n"
        f"inner join int_channel_map on {_LEARNED}.channel = int_channel_map.channel\n"
        f"group by {_LEARNED}.kind, int_channel_map.map_id"
    )
    kept = [f"{_LEARNED}.kind", "int_channel_map.map_id"]
    return {"learned": _select([*kept, *columns], source)} if columns else {}


def _weighed(models: Mapping[str, CreditModel]) -> str:
    own = [f"int_journey_touches.{column}" for column in ("conversion_id", "map_id", *COLUMNS)]
    learned = [f"learned.{model.learned_column}" for model in models.values() if model.learned]
    source = "from int_journey_touches\ncross join parameters"
    if learned:
        source += (
            "\nleft join learned\n    on\n        int_journey_touches.kind = learned.kind\n"
            "        and int_journey_touches.map_id = learned.map_id"
        )
    journey = _select([*own, "parameters.*", *learned], source)
    columns = [
        f"cast({model.weight} as decimal(18, 12)) as {name}_weight"
        for name, model in models.items()
    ]
    return _select(
        ["conversion_id", "map_id", "step", *columns],
        f"from (\n\n{indent(journey, '    ')}\n\n) as journeys",
    )


def _reached(models: Mapping[str, CreditModel]) -> str:
    columns = []
    for name in models:
        upto = "rows between unbounded preceding and current row"
        window = f"partition by conversion_id order by step\n    {upto}"
        columns.append(f"{name}_weight")
        columns.append(f"sum({name}_weight) over (\n    {window}\n) as {name}_reached")
        columns.append(f"sum({name}_weight) over (partition by conversion_id) as {name}_total")
    return _select(["conversion_id", "map_id", *columns], "from weighed")


def _shared(models: Mapping[str, CreditModel]) -> str:
    columns = []
    for name in models:
        for sum_, share in (
            (f"{name}_reached", f"{name}_upto"),
            (f"{name}_reached - {name}_weight", f"{name}_before"),
        ):
            quotient = f"cast({sum_} as double) / cast({name}_total as double)"
            columns.append(f"cast({quotient} as decimal(18, 12)) as {share}")
    return _select(["conversion_id", "map_id", *columns], "from reached")


def _credited(models: Mapping[str, CreditModel]) -> str:
    kept = ["kind", "service_line", "location", "week", "currency"]
    columns = []
    for name in models:
        share = f"shared.{name}_upto - shared.{name}_before"
        columns.append(f"sum(int_conversions.conversions * ({share})) as {name}_conversions")
        upto, before = (
            "cast(round(int_conversions.value_micros"
            f" * cast(shared.{name}_{end} as double)) as bigint)"
            for end in ("upto", "before")
        )
        columns.append(f"sum(\n    {upto}\n    - {before}\n) as {name}_value")
    groups = "\n".join(f"    int_conversions.{column}," for column in kept)
    return _select(
        ["shared.map_id", *(f"int_conversions.{column}" for column in kept), *columns],
        "from shared\ninner join int_conversions\n"
        "    on shared.conversion_id = int_conversions.conversion_id\n"
        f"group by\n{groups}\n    shared.map_id",
    )


def _named(models: Mapping[str, CreditModel]) -> str:
    names = "\nunion all\n".join(f"select '{name}' as model" for name in models)
    columns = [
        "models.model",
        *(f"credited.{column}" for column in GRAIN[1:] if column not in ("channel", "campaign")),
        "int_channel_map.channel",
        "int_channel_map.campaign",
        _choice(models, "conversions"),
        _choice(models, "value"),
    ]
    attributed = _select(
        columns,
        f"from credited\ncross join (\n\n{indent(names, '    ')}\n\n) as models\n"
        "inner join int_channel_map on credited.map_id = int_channel_map.map_id",
    )
    nobody = _select(
        [
            "models.model",
            *(f"nobody.{column}" for column in GRAIN[1:] if column not in ("channel", "campaign")),
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


def _select(columns: list[str], rest: str) -> str:
    return "select\n" + ",\n".join(indent(column, "    ") for column in columns) + f"\n{rest}"


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
left join int_journey_touches
    on
        int_conversions.conversion_id = int_journey_touches.conversion_id
        and int_journey_touches.step = 1
where int_journey_touches.conversion_id is null
group by 1, 2, 3, 4, 5
"""

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
