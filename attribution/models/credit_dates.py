"""The SQL of the mart `credit_dates`: the same credit, by the touch's, booking's or visit's week.

`credit` dates a conversion by the day on which it happened. Here each share of it stands in the
week of its touch, or the whole of it in that of its booking or its visit, so that over all weeks
every basis adds up to the same. All models are in one row, a column each: a row each would be ten
times as many. The incremental model shares weeks, not journeys, and has no other dates.
"""

from collections.abc import Mapping
from textwrap import indent

from attribution.models import WEIGHED
from attribution.models.credit import handed_out
from attribution.models.rules import CreditModel
from attribution.models.shares import select, written

TOUCH, BOOKING, VISIT = "touch", "booking", "visit"
GRAIN = (
    *("basis", "kind", "channel", "campaign", "service_line", "location", "week", "currency"),
    "is_dated",
)
_CELL = ("kind", "service_line", "location", "currency")
# When a touch was, to the second, from how long it was before the decision.
_TOUCHED_AT = (
    "int_conversions.decided_at\n"
    "- cast(round(int_journey_touches.days_before * 86400) as integer) * interval '1' second"
)


def credit_dates_sql(models: Mapping[str, CreditModel] = WEIGHED) -> str:
    """The mart `credit_dates`, header and all."""
    steps = {
        "touched": _touched(models),
        "waited": _waited(models),
        "nobody": _nobody(),
        "together": "\nunion all\n".join(_together(models)),
        "final": _final(models),
    }
    inputs = ["int_channel_map", "int_conversions", "int_conversion_dates", "int_journey_touches"]
    return (
        written(
            "What each channel is credited with, by the week of the touch, booking or visit.",
            GRAIN,
            [*inputs, "int_shares", "setting_report"],
            steps,
        )
        + f"order by {', '.join(GRAIN)}\n"
    )


def _given(models: Mapping[str, CreditModel], dated: str) -> list[str]:
    columns = []
    for name in models:
        conversions, value = handed_out(name, dated)
        columns += [f"{conversions} as {name}_conversions", f"{value} as {name}_value"]
    return columns


def _touched(models: Mapping[str, CreditModel]) -> str:
    week = (
        "cast(\n    date_trunc(\n        'week',\n        cast(\n            (\n"
        f"{indent(_TOUCHED_AT, ' ' * 16)}\n"
        "            ) at time zone setting_report.timezone as date\n        )\n    ) as date\n)"
    )
    source = (
        "from int_shares\ninner join int_journey_touches\n    on\n"
        "        int_shares.conversion_id = int_journey_touches.conversion_id\n"
        "        and int_shares.step = int_journey_touches.step\n"
        "inner join int_conversions\n"
        "    on int_shares.conversion_id = int_conversions.conversion_id\n"
        "cross join setting_report\ngroup by 1, 2, 3, 4, 5, 6"
    )
    cell = [f"int_conversions.{column}" for column in _CELL]
    columns = ["int_shares.map_id", *cell, f"{week} as week", *_given(models, "int_conversions")]
    return select(columns, source)


def _waited(models: Mapping[str, CreditModel]) -> str:
    source = (
        "from int_shares\ninner join int_conversions\n"
        "    on int_shares.conversion_id = int_conversions.conversion_id\n"
        "inner join int_conversion_dates\n"
        "    on int_shares.conversion_id = int_conversion_dates.conversion_id\n"
        "group by 1, 2, 3, 4, 5, 6, 7, 8, 9"
    )
    cell = [f"int_conversions.{column}" for column in _CELL]
    days = [f"int_conversion_dates.{column}" for column in _DAYS]
    return select(
        ["int_shares.map_id", *cell, *days, *_given(models, "int_conversion_dates")], source
    )


_DAYS = ("booked_week", "visit_week", "has_booking", "has_visit")
_BY = {BOOKING: ("booked_week", "has_booking"), VISIT: ("visit_week", "has_visit")}


def _nobody() -> str:
    """Conversions without a touch: they have no week of a touch, and stand where they happened."""
    columns = [
        *(f"int_conversions.{column}" for column in (*_CELL, "week")),
        *(f"int_conversion_dates.{column}" for column in _DAYS),
        "cast(sum(int_conversion_dates.conversions) as decimal(38, 12)) as conversions",
        "sum(int_conversion_dates.value_micros) as value_micros",
    ]
    source = (
        "from int_conversions\ninner join int_conversion_dates\n"
        "    on int_conversions.conversion_id = int_conversion_dates.conversion_id\n"
        "left join int_shares\n    on\n"
        "        int_conversions.conversion_id = int_shares.conversion_id\n"
        "        and int_shares.step = 1\nwhere int_shares.conversion_id is null\n"
        "group by 1, 2, 3, 4, 5, 6, 7, 8, 9"
    )
    return select(columns, source)


def _together(models: Mapping[str, CreditModel]) -> list[str]:
    amounts = [f"{name}_{what}" for name in models for what in ("conversions", "value")]
    same = [
        f"{what} as {name}_{short}"
        for name in models
        for what, short in (("conversions", "conversions"), ("value_micros", "value"))
    ]
    parts = [
        _part(TOUCH, "touched", "week", "true", amounts),
        _part(TOUCH, "nobody", "week", "false", same),
    ]
    for basis, (week, has) in _BY.items():
        parts.append(_part(basis, "waited", week, has, amounts))
        parts.append(_part(basis, "nobody", week, has, same))
    return parts


def _part(basis: str, step: str, week: str, has: str, amounts: list[str]) -> str:
    channel = (
        ["int_channel_map.channel", "int_channel_map.campaign"]
        if step != "nobody"
        else ["'unattributed' as channel", "'' as campaign"]
    )
    own = f"{step}.{week}" if week == "week" else f"{step}.{week} as week"
    flag = f"{step}.{has} as is_dated" if has.startswith("has") else f"{has} as is_dated"
    cell = [f"{step}.{column}" for column in _CELL]
    columns = [f"'{basis}' as basis", *channel, *cell, own, flag, *(f"{step}.{a}" for a in amounts)]
    join = f"\ninner join int_channel_map on {step}.map_id = int_channel_map.map_id"
    return select(columns, f"from {step}{join if step != 'nobody' else ''}")


def _final(models: Mapping[str, CreditModel]) -> str:
    columns = [*GRAIN]
    for name in models:
        columns.append(f"cast(sum({name}_conversions) as double) as {name}_conversions")
        columns.append(f"cast(sum({name}_value) as bigint) as {name}_value")
    groups = ", ".join(str(place) for place in range(1, len(GRAIN) + 1))
    return select(columns, f"from together\ngroup by {groups}")
