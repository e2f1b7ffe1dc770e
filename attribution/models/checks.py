"""The SQL of the checks that have a column for each credit model."""

from collections.abc import Mapping
from textwrap import indent

from attribution.models import MODELS
from attribution.models.journey_credit import shared
from attribution.models.rules import CreditModel
from attribution.models.shares import select

_CELL = ("kind", "channel", "service_line", "location")


def journey_shares_add_up(models: Mapping[str, CreditModel] = MODELS) -> str:
    """The conversions whose shares are not one, or whose touches are not all there."""
    wrong = "\n    or ".join(f"sum({name}_share) <> 1" for name in shared(models))
    return _check(
        "The shares of every journey's touches add up to one under each model.",
        ("journey_credit",),
        {
            "final": select(
                ["conversion_id"],
                "from journey_credit\ngroup by conversion_id\nhaving\n"
                f"    count(*) <> max(steps)\n    or min(step) <> 1\n    or {wrong}",
            )
        },
    )


def positions_equal_credit(models: Mapping[str, CreditModel] = MODELS) -> str:
    """The cells in which what is credited by position is not what is credited."""
    given = [
        (f"{name}_{what}", name, column)
        for name in shared(models)
        for what, column in (("conversions", "conversions"), ("value", "value_micros"))
    ]
    placed = select(
        [*_CELL, "quarter", "currency", *(column for column, _name, _credit in given)],
        "from positions",
    )
    credited = select(
        [
            *_CELL,
            "cast(date_trunc('quarter', week) as date) as quarter",
            "currency",
            *(
                f"case when model = '{name}' then -{credit} else 0 end as {column}"
                for column, name, credit in given
            ),
        ],
        "from credit\nwhere channel <> 'unattributed'",
    )
    wrong = "\n    or ".join(
        f"abs(sum({column})) > {0.000001 if credit == 'conversions' else 0}"
        for column, _name, credit in given
    )
    final = select(
        [*_CELL, "quarter", "currency"],
        f"from together\ngroup by 1, 2, 3, 4, 5, 6\nhaving\n    {wrong}",
    )
    return _check(
        "What channels are given by position adds up to what they are credited with.",
        ("credit", "positions"),
        {"together": f"{placed}\nunion all\n{credited}", "final": final},
    )


def dates_equal_credit(models: Mapping[str, CreditModel] = MODELS) -> str:
    """The cells in which what is credited over all weeks depends on the date that is chosen."""
    given = [
        (f"{name}_{what}", name, column)
        for name in shared(models)
        for what, column in (("conversions", "conversions"), ("value", "value_micros"))
    ]
    cell = (*_CELL, "campaign", "currency")
    dated = select(
        ["basis", *cell, *(column for column, _name, _credit in given)], "from credit_dates"
    )
    credited = select(
        [
            "bases.basis",
            *(f"credit.{column}" for column in cell),
            *(
                f"case when credit.model = '{name}' then -credit.{amount} else 0 end as {column}"
                for column, name, amount in given
            ),
        ],
        "from credit\ncross join (select distinct basis from credit_dates) as bases\n"
        "where credit.model <> 'incremental'",
    )
    wrong = "\n    or ".join(
        f"abs(sum({column})) > {0.000001 if amount == 'conversions' else 0}"
        for column, _name, amount in given
    )
    final = select(
        ["basis", *cell],
        f"from together\ngroup by 1, 2, 3, 4, 5, 6, 7\nhaving\n    {wrong}",
    )
    return _check(
        "Over all weeks, credit is the same whichever date it is counted by.",
        ("credit", "credit_dates"),
        {"together": f"{dated}\nunion all\n{credited}", "final": final},
    )


def _check(sentence: str, inputs: tuple[str, ...], steps: Mapping[str, str]) -> str:
    ctes = ",\n\n".join(f"{name} as (\n\n{indent(sql, '    ')}\n\n)" for name, sql in steps.items())
    return (
        f"-- {sentence}\n-- inputs: {', '.join(inputs)}\n\nwith\n\n{ctes}\n\nselect * from final\n"
    )
