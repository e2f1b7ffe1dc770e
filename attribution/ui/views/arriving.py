"""What is still arriving: cohorts by week, over the service lines that a reader chose."""

from datetime import date

import numpy as np
import pandas as pd

from attribution.cohort_queries import MONEY, cohorts
from attribution.metrics import KINDS, definition, ratio
from attribution.models.maturity import MATURE
from attribution.queries import WEEK, Marts, Scope
from attribution.ui import formats

_JUDGED = {"new_patient": "CAC", MONEY: "ROAS"}


def by_week(marts: Marts, scope: Scope, kind_from: str, kind_to: str) -> pd.DataFrame:
    """Cohorts of all chosen service lines by week.

    Columns: week, entered, arrived, expected, low, high, maturity, immature. Service lines miss
    independently of one another, so their intervals add up as the roots of their squares.
    """
    frame = cohorts(marts, scope, kind_from, kind_to)
    frame = frame.assign(
        below=(frame["expected"] - frame["low"]) ** 2,
        above=(frame["high"] - frame["expected"]) ** 2,
        ripe=frame["maturity"] * frame["expected"],
        plain=frame["maturity"],
        lines=1.0,
    )
    names = ["entered", "arrived", "expected", "below", "above", "ripe", "plain", "lines"]
    sums = frame.groupby("week", as_index=False)[names].sum()
    ripe = (sums["ripe"] / sums["expected"].where(sums["expected"] > 0)).fillna(
        sums["plain"] / sums["lines"]
    )
    return sums.assign(
        low=sums["expected"] - np.sqrt(sums["below"]),
        high=sums["expected"] + np.sqrt(sums["above"]),
        maturity=ripe,
        immature=ripe < MATURE,
    )[["week", "entered", "arrived", "expected", "low", "high", "maturity", "immature"]]


def note(marts: Marts, scope: Scope, last_week: date, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """A sentence on how much of each kind the leads of the scope's newest weeks still owe."""
    owed = {kind: _owed(marts, scope, last_week, kind) for kind in kinds}
    parts = [words for words in owed.values() if words]
    if not parts:
        return ()
    said = f"Not all in yet: {formats.several(parts)}."
    judged = [name for kind, name in _JUDGED.items() if owed.get(kind)]
    if judged:
        sets, looks = ("set", "they look") if len(judged) > 1 else ("sets", "it looks")
        said += (
            f" Until then {formats.several(judged)} {sets} the spend of these weeks against what "
            f"earlier leads bring, so {looks} worse than the truth where spend has just grown, "
            "and better where it was just cut."
        )
    return (said,)


def since(marts: Marts, scope: Scope, kind: str) -> date | None:
    """The first week of the scope of whose leads much has yet to come; None where there is none."""
    frame = by_week(marts, scope, "lead", kind)
    young = frame.loc[frame["immature"], "week"]
    return None if young.empty else pd.Timestamp(young.iloc[0]).date()


def _owed(marts: Marts, scope: Scope, last_week: date, kind: str) -> str:
    frame = by_week(marts, scope, "lead", kind)
    young = frame[frame["immature"]]
    come = ratio(float(young["arrived"].sum()), float(young["expected"].sum()))
    if come is None:
        return ""
    what = "money collected" if kind == MONEY else definition(KINDS[kind]).title.lower()
    return f"about {1 - come:.0%} of the {what} from {span(young, last_week)}"


def span(young: pd.DataFrame, last_week: date) -> str:
    """The weeks of the rows in words: leads of the last 5 weeks (from 19 Oct 2026)."""
    first, last = (pd.Timestamp(young["week"].iloc[place]).date() for place in (0, -1))
    number = (last - first) // WEEK + 1
    if number == 1:
        return f"leads of the week of {formats.day(first)}"
    which = "the last " if last == last_week else ""
    return f"leads of {which}{number} weeks (from {formats.day(first)})"
