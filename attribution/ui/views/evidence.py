"""What incremental credit rests on, channel by channel: places and weeks, holdouts, lift tests."""

import pandas as pd

from attribution.metrics import KINDS, definition
from attribution.models import BASELINE
from attribution.queries import Scope
from attribution.ui import formats
from attribution.ui.view import Column, Table, table_of

_WORDS = {
    "panel": "Places and weeks in which it pressed more or less",
    "panel and holdout": "Places and weeks, calibrated to holdouts",
    "panel and lift test": "Places and weeks, calibrated to lift tests",
    "not identified": "Too little: mostly what is believed of such channels",
    "inside baseline": "Nothing says how hard it pressed: inside Baseline",
}
_METHODS = {
    "places and weeks": "It compares {places} places over {weeks} weeks.",
    "weeks": "There is one place, so it compares {weeks} weeks with each other.",
    "none": (
        "There are fewer than 30 weeks of media or 500 conversions: nothing can be learned from "
        "places and weeks, and all is Baseline."
    ),
}


def table(rows: pd.DataFrame, scope: Scope) -> Table:
    """A row for each channel of the mart `incremental`, Baseline first, then most credit first."""
    # Money of several currencies does not add up; what it is learned from does.
    title = "Payments" if scope.kind == "collected" else definition(KINDS[scope.kind]).title
    frame = rows.assign(
        evidence=rows["evidence"].map(_WORDS).mask(rows["channel"] == BASELINE, "What is left"),
        first=rows["channel"] != BASELINE,
    ).sort_values(["first", "amount", "channel"], ascending=[True, False, True], ignore_index=True)
    columns = (
        Column("channel", "Channel"),
        Column("amount", title, "number", "Over all weeks, places and service lines."),
        Column("low", "Low", "number", "Lower end of the 90% interval."),
        Column("high", "High", "number", "Upper end of the 90% interval."),
        Column("evidence", "Rests on"),
        Column("known", "Known", "rate", "The part of what was unknown beforehand that is gone."),
    )
    note = ""
    if len(rows):
        first = rows.iloc[0]
        places, weeks = formats.count(first["places"]), formats.count(first["weeks"])
        note = _METHODS[str(first["method"])].format(places=places, weeks=weeks)
    return table_of("What incremental credit rests on", columns, frame, note)


def calibrated(rows: pd.DataFrame) -> str:
    """A sentence on the channels whose credit was calibrated to experiments; empty for none."""
    parts = []
    for evidence, what in (
        ("panel and holdout", "holdouts"),
        ("panel and lift test", "lift tests"),
    ):
        names = rows.loc[rows["evidence"] == evidence, "channel"]
        if len(names):
            parts.append(f"{formats.several([formats.title(n) for n in names])} to {what}")
    return f"Incremental credit is calibrated: {'; '.join(parts)}." if parts else ""
