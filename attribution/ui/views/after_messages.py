"""What people did in the 90 days after a flow first meant them, and what the flow added to it."""

import pandas as pd

from attribution import engagement_queries
from attribution.metrics import definition, ratio
from attribution.models.arm_lift import difference
from attribution.ui import formats
from attribution.ui.view import Column, Metric, Table, records

ARMS = {"treated": "Written to", "holdout": "Held out"}
# Those that count people come first: they can be told where small cells are folded.
MEASURED = {
    "returned": "People with a kept visit", "booked": "People with a booking",
    "kept": "Kept visits a person", "money": "Collected a person",
}  # fmt: skip
LEVEL = 0.9


def people(effects: pd.DataFrame, *, folded: bool) -> Table:
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
            if not (folded and name == "waiting")
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


def lifts(effects: pd.DataFrame, *, folded: bool) -> Table:
    """The difference of the arms of each flow that holds somebody out, by outcome."""
    rows = []
    for flow, arms in effects.groupby("flow", sort=False):
        arm = {row["arm"]: row for row in records(arms)}
        if len(arm) < len(ARMS):
            continue
        for outcome in list(MEASURED)[: 2 if folded else None]:
            treated, held = (
                engagement_queries.sums(arm[name], outcome, adjusted=not folded) for name in ARMS
            )
            found = difference(treated, held, level=LEVEL)
            if found is None:
                continue
            rows.append(
                {
                    "flow": flow, "outcome": MEASURED[outcome], "treated": treated.mean,
                    "held_out": held.mean, "effect": found.effect, "low": found.low,
                    "high": found.high, "anytime_low": found.anytime_low,
                    "anytime_high": found.anytime_high, "people_treated": treated.people,
                    "people_held_out": held.people,
                }
            )  # fmt: skip
    once, always = "if looked at once, on a day chosen before", "however often it is looked at"
    adjusted = (
        "The difference of the two shares."
        if folded
        else "The difference, with what was known from the year before taken out (CUPED)."
    )
    columns = (
        Column("flow", "Flow"),
        Column("outcome", "Within 90 days"),
        Column("treated", "Written to", "coefficient", "Mean of the people who were written to."),
        Column("held_out", "Held out", "coefficient", "Mean of the people who were held out."),
        Column("effect", "Lift", "coefficient", adjusted),
        Column("low", "Low", "coefficient", f"Lower end of the 90% interval, {once}."),
        Column("high", "High", "coefficient", f"Upper end of the 90% interval, {once}."),
        Column("anytime_low", "Low, any time", "coefficient", f"The same, {always}."),
        Column("anytime_high", "High, any time", "coefficient", f"The same, {always}."),
        Column("people_treated", "People written to", "count", "In the comparison."),
        Column("people_held_out", "People held out", "count", "In the comparison."),
    )
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    return Table(
        "What it added",
        columns,
        frame,
        "Those written to less those held out by chance, of the whole span.",
        "No flow here has held people out whose 90 days are over, so nobody can say what it added.",
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
            "flow_lift", f"Lift of {row['flow']}", row["effect"], None, meaning.format,
            meaning.help, meaning.better, interval=f"90%: {low} to {high}",
        ),
    )  # fmt: skip
