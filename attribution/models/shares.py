"""The SQL of `int_shares`: what each model gives each touch of each journey, in one pass.

A journey's credit is handed out along its steps: after each step the model has given away the
share `reached / total`, rounded to twelve decimals, and a touch gets what its step added. So the
shares of a journey add up to exactly one, whatever the order in which the engine adds. `upto` is
what was given away up to and with the touch: money is handed out by it, in whole micros. Where the
share that is given away after a step has a closed form (`given`), nothing is added up.
"""

from collections.abc import Mapping
from textwrap import indent

from attribution.models import WEIGHED
from attribution.models.rules import COLUMNS, CreditModel

_INPUTS = ("int_journey_touches", "setting_model")
_LEARNED = "int_learned_weights"


def shares_sql(models: Mapping[str, CreditModel] = WEIGHED) -> str:
    """The model `int_shares`, header and all."""
    steps = {
        "parameters": _parameters(models),
        **_learned(models),
        "weighed": _weighed(models),
        "reached": _reached(models),
        "given": _given(models),
        "final": _final(models),
    }
    return written(
        "What each model gives each touch of a journey: shares that add up to one.",
        ("conversion_id", "step"),
        [*_INPUTS, *([_LEARNED] if "learned" in steps else [])],
        steps,
    )


def written(sentence: str, grain: tuple[str, ...], inputs: list[str], steps: dict[str, str]) -> str:
    """A model as text: its header, its steps one after the other, and `select * from final`."""
    ctes = ",\n\n".join(
        f"{name} as (\n\n{indent(sql.strip(chr(10)), '    ')}\n\n)" for name, sql in steps.items()
    )
    return (
        f"-- {sentence}\n-- grain: {', '.join(grain)}\n-- inputs: {', '.join(inputs)}\n\n"
        f"with\n\n{ctes}\n\nselect * from final\n"
    )


def select(columns: list[str], rest: str) -> str:
    """A SELECT with a column a line."""
    return "select\n" + ",\n".join(indent(column, "    ") for column in columns) + f"\n{rest}"


def _parameters(models: Mapping[str, CreditModel]) -> str:
    columns = [
        f"max(case when model = '{model.name}' and parameter = '{parameter}' then amount end)"
        f" as {model.parameter_column(parameter)}"
        for model in models.values()
        for parameter in model.parameters
    ] or ["count(*) as parameters"]
    return select(columns, "from setting_model")


def _learned(models: Mapping[str, CreditModel]) -> dict[str, str]:
    """A row for each kind and channel, a column for each learned model."""
    columns = [
        f"max(case when model = '{model.name}' then weight end) as {model.learned_column}"
        for model in models.values()
        if model.learned
    ]
    source = f"from {_LEARNED}\ngroup by kind, channel_id"
    return {"learned": select(["kind", "channel_id", *columns], source)} if columns else {}


def _weighed(models: Mapping[str, CreditModel]) -> str:
    own = [f"int_journey_touches.{column}" for column in ("conversion_id", "map_id", *COLUMNS)]
    learned = [f"learned.{model.learned_column}" for model in models.values() if model.learned]
    source = "from int_journey_touches\ncross join parameters"
    if learned:
        source += (
            "\nleft join learned\n    on\n        int_journey_touches.kind = learned.kind\n"
            "        and int_journey_touches.channel_id = learned.channel_id"
        )
    journey = select([*own, "parameters.*", *learned], source)
    columns = []
    for name, model in models.items():
        if model.given:
            for step, share in (("step", "upto"), ("(step - 1)", "before")):
                quotient = model.given.format(step=step)
                columns.append(f"cast({quotient} as decimal(18, 12)) as {name}_{share}")
        else:
            columns.append(f"cast({model.weight} as decimal(18, 16)) as {name}_weight")
    return select(
        ["conversion_id", "map_id", "step", *columns],
        f"from (\n\n{indent(journey, '    ')}\n\n) as journeys",
    )


def _reached(models: Mapping[str, CreditModel]) -> str:
    columns = []
    for name, model in models.items():
        if model.given:
            columns += [f"{name}_upto", f"{name}_before"]
            continue
        upto = "rows between unbounded preceding and current row"
        window = f"partition by conversion_id order by step\n    {upto}"
        columns.append(f"{name}_weight")
        columns.append(f"sum({name}_weight) over (\n    {window}\n) as {name}_reached")
        columns.append(f"sum({name}_weight) over (partition by conversion_id) as {name}_total")
    return select(["conversion_id", "map_id", "step", *columns], "from weighed")


def _given(models: Mapping[str, CreditModel]) -> str:
    columns = []
    for name, model in models.items():
        if model.given:
            columns += [f"{name}_upto", f"{name}_before"]
            continue
        for given, share in (
            (f"{name}_reached", f"{name}_upto"),
            (f"{name}_reached - {name}_weight", f"{name}_before"),
        ):
            quotient = f"cast({given} as double) / cast({name}_total as double)"
            columns.append(f"cast({quotient} as decimal(18, 12)) as {share}")
    return select(["conversion_id", "map_id", "step", *columns], "from reached")


def _final(models: Mapping[str, CreditModel]) -> str:
    columns = []
    for name in models:
        share = f"cast({name}_upto - {name}_before as decimal(18, 12)) as {name}_share"
        columns += [f"{name}_upto", share]
    return select(["conversion_id", "map_id", "step", *columns], "from given")
