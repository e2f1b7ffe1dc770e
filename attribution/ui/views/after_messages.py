"""What people did in the 90 days after a flow first meant them, and what the flow added to it."""

from dataclasses import asdict
from typing import Any

import pandas as pd

from attribution.metrics import definition, ratio
from attribution.models.arm_lift import difference, sums
from attribution.ui import formats
from attribution.ui.view import Column, Metric, Table, records

ARMS = {"treated": "Written to", "holdout": "Held out"}
MEASURED = {
    "returned": "People with a kept visit", "booked": "People with a booking",
    "kept": "Kept visits a person", "money": "Collected a person",
}  # fmt: skip


def people(effects: pd.DataFrame) -> Table:
    """What the people of each flow and arm did within 90 days."""
    rows = [
        {
            "flow": row["flow"],
            "arm": ARMS[row["arm"]],
            "people": row["people"],
            "reached": row["reached"] if row["arm"] == "treated" else None,
            "responded": row["responded"] if row["arm"] == "treated" else None,
            "booked_share": ratio(row["booked"], row["people"]),
            "kept_share": ratio(row["returned"], row["people"]),
            "waiting": row["waiting"],
        }
        for row in records(effects)
    ]
    named = {
        "people": "flow_people", "reached": "flow_reached", "responded": "flow_responded",
        "booked_share": "flow_booked", "kept_share": "flow_returned", "waiting": "flow_waiting",
    }  # fmt: skip
    columns = (
        Column("flow", "Flow"),
        Column("arm", "Arm"),
        *(
            Column(name, each.title, each.format, each.help)
            for name, meaning in named.items()
            for each in (definition(meaning),)
        ),
    )
    names = [column.name for column in columns]
    return Table(
        "What people did",
        columns,
        pd.DataFrame(rows, columns=names),
        "Of the whole span, whatever the period: people whose 90 days are over.",
        "Nobody's 90 days are over yet.",
    )


def lifts(effects: pd.DataFrame) -> Table:
    """The difference of the arms of each flow that holds somebody out, by outcome."""
    rows = []
    for flow, arms in effects.groupby("flow", sort=False):
        of = {row["arm"]: row for row in records(arms)}
        if len(of) < len(ARMS):
            continue
        for outcome, words in MEASURED.items():
            treated, held = (sums(of[arm], outcome) for arm in ARMS)
            found = difference(treated, held)
            if found is not None:
                rows.append(
                    {
                        "flow": flow, "outcome": words, "treated": treated.mean,
                        "held_out": held.mean, "alike": treated.mean - found.effect,
                        **asdict(found),
                        "people_treated": treated.people, "people_held_out": held.people,
                    }
                )  # fmt: skip
    means = (
        Column("treated", "Written to", "coefficient", "Mean of the people who were written to."),
        Column("held_out", "Held out", "coefficient", "Mean of the people who were held out."),
        Column(
            "alike", "Held out, alike", "coefficient",
            "Mean of the people who were held out, had they done as much in the year before "
            "as those written to: the lift is the difference from this.",
        ),
    )  # fmt: skip
    numbers = (
        Column("people_treated", "People written to", "count", "In the comparison.", more=True),
        Column("people_held_out", "People held out", "count", "In the comparison.", more=True),
    )
    return _added(pd.DataFrame(rows), (*means, *_ends(), *numbers))


def turned(row: dict[str, Any]) -> str:
    """What to say of a lift that goes the other way than the plain shares of the two arms do."""
    if "alike" not in row or (row["treated"] - row["held_out"]) * row["effect"] >= 0:
        return ""
    return (
        f" Plainly, {formats.rate(row['treated'])} of those written to came and "
        f"{formats.rate(row['held_out'])} of those held out, who were unlike them in the year "
        "before: that is taken out."
    )


def told_lifts(found: pd.DataFrame) -> Table:
    """The same differences where small cells are folded: of shares, without any count."""
    return _added(found.assign(outcome=found["outcome"].map(MEASURED)), _ends())


def _ends() -> tuple[Column, ...]:
    once, always = "if looked at once, on a day chosen before", "however often it is looked at"
    adjusted = "The difference, with what was known from the year before taken out (CUPED)."
    return (
        Column("effect", "Lift", "coefficient", adjusted),
        Column("low", "Low", "coefficient", f"Lower end of the 90% interval, {once}."),
        Column("high", "High", "coefficient", f"Upper end of the 90% interval, {once}."),
        Column("anytime_low", "Low, any time", "coefficient", f"The same, {always}.", more=True),
        Column("anytime_high", "High, any time", "coefficient", f"The same, {always}.", more=True),
    )


def _added(rows: pd.DataFrame, numbers: tuple[Column, ...]) -> Table:
    columns = (Column("flow", "Flow"), Column("outcome", "Within 90 days"), *numbers)
    return Table(
        "What it added",
        columns,
        rows.reindex(columns=[column.name for column in columns]),
        "Those written to less those held out by chance, of the whole span. Of people it is a "
        "share: 0.05 is five in a hundred. Of money it is in the currency of reports.",
        "No flow here has held enough people out whose 90 days are over, so nobody can say what "
        "it added.",
    )


def headline(found_lifts: Table) -> tuple[Metric, ...]:
    """The lift in kept visits as a headline, where one flow was tested."""
    found = found_lifts.frame[found_lifts.frame["outcome"] == MEASURED["returned"]]
    if len(found) != 1:
        return ()
    meaning, (row,) = definition("flow_lift"), records(found)
    low, high = (formats.points(row[end]).removesuffix(" pts") for end in ("low", "high"))
    return (
        Metric(
            "flow_lift",
            f"Lift of {formats.title(row['flow'])}", row["effect"], None, meaning.format,
            meaning.help, meaning.better, interval=f"90%: {low} to {high}",
        ),
    )  # fmt: skip
