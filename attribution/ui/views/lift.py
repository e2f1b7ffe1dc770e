"""Lift: which tests there are, how far they are, and what held-out people tell beside them."""

from collections.abc import Sequence

import pandas as pd

from attribution import engagement_queries, queries
from attribution.holdout_plans import Holdout
from attribution.lift_records import Test
from attribution.paths import Home
from attribution.ui import formats
from attribution.ui.view import Column, Table, View, measured
from attribution.ui.views.after_messages import lifts

_END = (
    "{} end of the 90% interval: until all people of the plan are counted, of the one that holds "
    "however often it is looked at."
)
_REGISTERED = Column(
    "registered", "Registered", "instant", "When the plan was saved for good.", more=True
)
_ACTOR = Column("actor", "By", more=True)
QUESTION = "What does a channel really bring? Switch it off somewhere, and count."
PROTECTED = (
    "Lift tests stand on numbers of single places and weeks, which are not told to viewers. "
    "Readers with the role analyst see this page."
)
COUNTS = {
    "kept": "Kept visits",
    "new_patient": "New patients",
    "booked": "Bookings",
    "lead": "Leads",
}
STATES = {
    "planned": "Planned",
    "running": "Running",
    "finished": "Finished, not recorded",
    "recorded": "Recorded as evidence",
    "withdrawn": "Called off",
}
HOLDOUT_STATES = {
    "planned": "Planned",
    "counting": "Counting",
    "told": "Counted to the end",
}
OUTCOMES = {"returned": "People with a kept visit", "booked": "People with a booking"}
DESIGNS = {"markets": "Matched markets", "switchback": "Switchback"}


def lift(
    home: Home,
    generation: int,
    tests: Sequence[Test],
    holdouts: Sequence[Holdout] = (),
    *,
    protected: bool,
) -> View:
    """The page's view of every test; tests are the ledger's, so it is never cached."""
    if protected:
        return View(QUESTION, empty=PROTECTED)
    marts = queries.marts(home, generation, protected=False)
    return View(
        QUESTION,
        tables={
            "tests": tests_table(tests),
            "registered": holdouts_table(holdouts),
            "holdouts": lifts(engagement_queries.effects(marts, ())),
        },
        notes=(
            (
                "A result that is recorded is heard at the next refresh, by the incremental model "
                "and by the mix model, and so moves the budget. A result that is taken back is not."
            ),
        ),
        currency=queries.about(marts).currency,
    )


def tests_table(tests: Sequence[Test]) -> Table:
    """Every test, newest first: what page, export and command line show."""
    columns = (
        Column("name", "Test"),
        Column("channel", "Channel"),
        Column("counts", "Counts"),
        Column("design", "Design", more=True),
        Column("state", "State"),
        Column("first_day", "Begins", "day"),
        Column("last_day", "Ends", "day"),
        measured("lift_detectable", more=True),
        measured("lift_increment"),
        Column("low", "Low", "number", "Lower end of the 90% interval."),
        Column("high", "High", "number", "Upper end of the 90% interval."),
        _REGISTERED,
        _ACTOR,
        Column("reason", "Withdrawn because", more=True),
    )
    rows = [
        {
            "name": test.name,
            "channel": test.plan.channel,
            "counts": COUNTS[test.plan.kind],
            "design": DESIGNS[test.plan.design],
            "state": STATES[test.state],
            "first_day": pd.Timestamp(test.plan.first_day),
            "last_day": pd.Timestamp(test.plan.last_day),
            "lift_detectable": test.plan.detectable,
            "lift_increment": test.result.increment if test.result else None,
            "low": test.result.low if test.result else None,
            "high": test.result.high if test.result else None,
            "registered": pd.Timestamp(test.at),
            "actor": test.actor,
            "reason": test.why,
        }
        for test in reversed(tests)
    ]
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    numbers = ("lift_detectable", "lift_increment", "low", "high")
    frame = frame.astype(dict.fromkeys(numbers, "float64"))
    return Table("Tests", columns, frame, empty="No test is registered yet. Design one below.")


def holdouts_table(holdouts: Sequence[Holdout]) -> Table:
    """Every registered holdout, newest first: what page, export and command line show."""
    columns: tuple[Column, ...] = (
        Column("name", "Holdout"),
        Column("flow", "Flow"),
        Column("counts", "Counts, within 90 days"),
        Column("state", "State"),
        Column(
            "counted",
            "People counted",
            "count",
            "In both arms, whose 90 days are over. Counted to the end, a holdout stays as it was "
            "first told.",
        ),
        Column("needed", "Needed", "count", "People in both arms that the plan takes."),
        Column(
            "wanted", "Looks for", "points", "The smallest worth knowing, as planned.", more=True
        ),
        Column("lift", "Lift", "points", "Written to less held out (CUPED)."),
        Column("low", "Low", "points", _END.format("Lower")),
        Column("high", "High", "points", _END.format("Upper")),
        _REGISTERED,
        _ACTOR,
        Column("reason", "Warning"),
    )
    rows = [
        {
            "name": one.name,
            "flow": one.plan.flow,
            "counts": OUTCOMES[one.plan.outcome],
            "state": HOLDOUT_STATES[one.state],
            "counted": float(one.counted),
            "needed": float(one.plan.people),
            "wanted": one.plan.wanted,
            "lift": one.lift,
            "low": one.low,
            "high": one.high,
            "registered": pd.Timestamp(one.at),
            "actor": one.actor,
            "reason": one.warning,
        }
        for one in reversed(holdouts)
    ]
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    frame = frame.astype(dict.fromkeys(("lift", "low", "high"), "float64"))
    if not frame["reason"].any():
        frame, columns = frame.drop(columns="reason"), columns[:-1]
    return Table(
        "Registered holdouts", columns, frame, empty="No holdout is registered yet. Plan one below."
    )


def place(market: tuple[str, str]) -> str:
    """A market in words: North, or Dental in North."""
    location, line = (formats.title(part) for part in market)
    return f"{line} in {location}" if line else location
