"""What each service line spent and brought, and what that comes to, over weeks that are known."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pandas as pd

from attribution import amount_queries
from attribution.metrics import KINDS, ratio
from attribution.queries import About, Marts, Scope
from attribution.ui import formats
from attribution.ui.view import Column, Table, measured
from attribution.ui.views.notes import UNASSIGNED

COUNTS = ("leads", "booked", "kept", "new_patients")
_PATIENTS = (*COUNTS, "collected")
BLENDED = ("blended_cac", "blended_roas")
SHOWN = ("spend", *_PATIENTS, *BLENDED)
# What is over what; the net return follows from the return.
_QUOTIENTS = {
    "line_cpl": ("spend", "leads"),
    "kept_of_booked": ("kept", "booked"),
    "blended_cac": ("spend", "new_patients"),
    "blended_roas": ("collected", "spend"),
}
_TOGETHER = (
    "Where a service line has too few people in four weeks, these are in Other, together, and so "
    "is their spend. A dash is a line that no four weeks have enough people for."
)


def wide(seen: pd.DataFrame, by: str) -> pd.DataFrame:
    """From a row for each kind to a column for each number."""
    amount = seen["conversions"].astype("float64").where(seen["kind"] != "collected", seen["value"])
    named = seen.assign(amount=amount, name=seen["kind"].map(KINDS))
    return named.pivot_table(index=by, columns="name", values="amount", aggfunc="sum")


def lines(marts: Marts, scope: Scope, about: About, ends: Mapping[str, date]) -> pd.DataFrame:
    """A row for each line, those with most money first: what it spent, brought and earned.

    `ends` are the last weeks of numbers that are not reported to the end of the scope. Each number
    counts to its own end, as the headline does, and a ratio to the earlier one of its two.
    """
    until = {name: ends.get(name, scope.until) for name in ("spend", *_PATIENTS)}
    known = {
        end: _amounts(marts, replace(scope, until=end), about)
        for end in {scope.until, *until.values()}
        if end >= scope.since
    }
    names = known[scope.until].index

    def amount(name: str, end: date) -> pd.Series:
        if end not in known:
            return pd.Series(float("nan"), index=names)
        return known[end][name].reindex(names)

    frame = pd.DataFrame({name: amount(name, end) for name, end in until.items()})
    for name, (over, under) in _QUOTIENTS.items():
        both = min(until[over], until[under])
        above, below = amount(over, both), amount(under, both)
        if over == "spend":  # what cost nothing has no price
            above = above.where(above > 0)
        frame[name] = above / below.where(below > 0)
    frame["line_roi"] = frame["blended_roas"] - 1
    frame = frame.rename_axis("service_line").reset_index()
    placed = frame["service_line"] != UNASSIGNED
    # What belongs to no line is no line that could be cheap or dear.
    frame.loc[~placed, ["line_cpl", "line_roi", *BLENDED]] = float("nan")
    order = ["placed", "collected", "service_line"]
    frame = frame.assign(placed=placed).sort_values(order, ascending=[False, False, True])
    return frame.drop(columns="placed").reset_index(drop=True)


def _amounts(marts: Marts, scope: Scope, about: About) -> pd.DataFrame:
    """Spend and what was observed of each line in the weeks of a scope."""
    spend = amount_queries.spend_by_service_line(marts, scope, about.currency)
    seen = wide(
        amount_queries.conversions_by_service_line(marts, scope, about.currency), "service_line"
    )
    names = sorted({*seen.index, *spend["service_line"]})
    frame = seen.reindex(index=names, columns=_PATIENTS)
    frame["spend"] = spend.set_index("service_line")["spend"]
    frame = frame.astype("float64").fillna(0)
    if marts.protected:  # a line without any row is of few people, not of nobody
        frame.loc[~frame.index.isin(seen.index), list(_PATIENTS)] = float("nan")
    return frame


def table(marts: Marts, scope: Scope, about: About, ends: Mapping[str, date]) -> Table:
    """The table of Overview."""
    frame = lines(marts, scope, about, ends)
    lost = float(frame.loc[frame["service_line"] == UNASSIGNED, "spend"].sum())
    notes = [
        _too_good(lost, float(frame["spend"].sum()), about.currency),
        _TOGETHER if marts.protected else "",
    ]
    note = " ".join(filter(None, notes))
    frame["service_line"] = frame["service_line"].map(formats.title)
    columns = (Column("service_line", "Service line"), *map(measured, SHOWN))
    return Table("Service lines", columns, frame[["service_line", *SHOWN]], note)


def _too_good(lost: float, spend: float, currency: str) -> str:
    if not lost:
        return ""
    return (
        f"{formats.money(lost, currency)} of spend ({formats.rate(ratio(lost, spend))}) belongs to "
        "no service line, so CAC and ROAS of the lines are too good."
    )
