"""The SQL of what single touches are credited with.

The table is of people: it is published apart from the marts, for those who may see people.
"""

from collections.abc import Mapping

from attribution.models import MODELS
from attribution.models.rules import CreditModel
from attribution.models.shares import select, written

GRAIN = ("conversion_id", "step")
OF_CONVERSION = (
    *("conversion_id", "kind", "person_id", "week", "service_line", "location", "currency"),
    *("conversions", "value_micros"),
)
_OF_TOUCH = ("step", "steps", "days_before")


def shared(models: Mapping[str, CreditModel] = MODELS) -> tuple[str, ...]:
    """The models that give shares to touches, in order."""
    return tuple(name for name, model in models.items() if model.weight)


def journey_credit_sql(models: Mapping[str, CreditModel] = MODELS) -> str:
    """The table `journey_credit`: a row for each touch, a column of shares for each model."""
    columns = [
        *(f"int_conversions.{column}" for column in OF_CONVERSION),
        *(f"int_journey_touches.{column}" for column in _OF_TOUCH),
        *("int_channel_map.channel", "int_channel_map.campaign"),
        *(f"int_shares.{name}_share" for name in shared(models)),
    ]
    source = (
        "from int_shares\ninner join int_journey_touches\n    on\n"
        "        int_shares.conversion_id = int_journey_touches.conversion_id\n"
        "        and int_shares.step = int_journey_touches.step\n"
        "inner join int_conversions\n"
        "    on int_shares.conversion_id = int_conversions.conversion_id\n"
        "inner join int_channel_map on int_shares.map_id = int_channel_map.map_id\n"
        # Joined and not asked for as a whole: a cross join is planned as one of all conversions
        # with all channels while the tables are new.
        "inner join setting_kept on int_conversions.kind = setting_kept.kind"
    )
    inputs = ["int_channel_map", "int_conversions", "int_journey_touches", "int_shares"]
    return (
        written(
            "What each touch of a credited conversion is given under each model.",
            GRAIN,
            [*inputs, "setting_kept"],
            {"final": select(columns, source)},
        )
        + f"order by {', '.join(GRAIN)}\n"
    )
