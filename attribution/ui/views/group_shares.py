"""Shares of a cohort and of what it is compared with, value by value."""

import pandas as pd

from attribution import group_queries
from attribution.group_queries import Group
from attribution.queries import Marts
from attribution.small_cells import OTHER


def shares_of(
    mine: pd.DataFrame, others: pd.DataFrame, kind: str, item: str, key: str
) -> pd.DataFrame:
    """Columns: value, people, share, others, others_share; every value that either has."""
    sides = []
    for frame in (mine, others):
        of = frame[frame[kind] == key]
        # Ways that few took are the rest of the mart; those that it could not tell to everybody
        # are more of the same rest.
        names = of[item].mask(of[item] == OTHER, _REST[0]) if key == "way" else of[item]
        rows = of.groupby(names)["people"].sum().astype("float64")
        sides.append(rows[rows > 0])
    order = _order(key, sorted({*sides[0].index, *sides[1].index}), sides[0])
    found = pd.DataFrame({"value": order}, dtype="object")
    for side, (people, share) in zip(
        sides, (("people", "share"), ("others", "others_share")), strict=True
    ):
        found[people] = [float(side.get(value, 0.0)) for value in order]
        known = found[people].where(found["value"] != "")
        total = float(known.sum())
        found[share] = known / (total or float("nan"))
    return found


def _order(key: str, values: list[str], people: pd.Series) -> list[str]:
    """Values in their own order, or those that most of the cohort have first; unknown last."""
    own = group_queries.ORDERS.get(key) or (_DAYS if key == "days" else ())
    if own:
        places = {value: place for place, value in enumerate(own)}
        return sorted(values, key=lambda value: (value == "", places.get(value, len(own)), value))
    return sorted(
        values, key=lambda value: (value == "", value in _REST, -people.get(value, 0), value)
    )


_REST = ("other", OTHER)
_DAYS = ("0-7", "8-30", "31-90", "91-365", "366+")


def conditions_of(
    marts: Marts, group: Group, other: Group | None, people: float, others: float | None
) -> pd.DataFrame:
    """As `shares_of`, of all patients: who has several conditions is in several rows."""
    mine = group_queries.conditions(marts, group)
    if other is None:
        every = group_queries.conditions(marts, Group())
        beside = group_queries.without(every, mine, ["value"])
    else:
        beside = group_queries.conditions(marts, other)
    frames = [each.assign(dimension="condition") for each in (mine, beside)]
    found = shares_of(frames[0], frames[1], "dimension", "value", "condition")
    found["share"] = found["people"] / people
    found["others_share"] = found["others"] / (others or float("nan"))
    return found
