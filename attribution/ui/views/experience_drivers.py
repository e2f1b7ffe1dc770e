"""What goes with a higher or a lower NPS, as a figure and a table."""

import pandas as pd

from attribution.metrics import definition
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Table, measured, records, table_of

_ENDS = "One end of the 95% interval."
_DRIVERS = {
    "wait": "Wait",
    "patient": "Patient",
    "has_missed": "Missed visits",
    "service_line": "Service line",
    "location": "Location",
    "provider": "Doctor",
}
_FIXED = {
    "wait": "Ten minutes more wait",
    "patient": "New patient",
    "has_missed": "Missed a visit in the year before",
}
MOST_DOCTORS = 6  # in the figure: those furthest from the mean


def level_title(driver: str, level: str) -> str:
    """What an effect is of."""
    if driver in _FIXED:
        return _FIXED[driver]
    return level if driver == "provider" else formats.title(level)


def drivers_table(drivers: pd.DataFrame) -> Table:
    """A row for each effect, those of one driver together."""
    columns = (
        Column("level", "What goes with it"),
        Column("driver", "Driver"),
        measured("experience_answers"),
        measured("driver_effect"),
        Column("low", "Low", "number", _ENDS),
        Column("high", "High", "number", _ENDS),
    )
    names = list(_DRIVERS)
    frame = drivers.assign(
        order=drivers["driver"].map(names.index),
        level=[level_title(row["driver"], row["level"]) for row in records(drivers)],
        experience_answers=drivers["people"],
        driver_effect=drivers["effect"],
    ).sort_values(["order", "effect"], ascending=[True, False], kind="stable")
    frame["driver"] = frame["driver"].map(_DRIVERS)
    return table_of("What goes with NPS", columns, frame.reset_index(drop=True))


def drivers_figure(drivers: pd.DataFrame, part: str, value: str) -> Figure:
    """Each effect with its interval; of doctors only those furthest from the mean."""
    far = drivers[drivers["driver"] == "provider"].assign(far=lambda rows: rows["effect"].abs())
    far = far.sort_values(["far", "level"], ascending=[False, True]).head(MOST_DOCTORS)
    kept = drivers[(drivers["driver"] != "provider") | drivers["level"].isin(far["level"])]
    names = list(_DRIVERS)
    kept = kept.assign(order=kept["driver"].map(names.index))
    kept = kept.sort_values(["order", "effect"], ascending=[True, False], kind="stable")
    rows = records(kept)
    titles = [level_title(row["driver"], row["level"]) for row in rows]
    hovers = [
        f"<b>{formats.label(title)}</b><br>{_tenths(row['effect'])} points "
        f"({_tenths(row['low'])} to {_tenths(row['high'])})<br>"
        f"{formats.count(row['people'])} answers"
        for title, row in zip(titles, rows, strict=True)
    ]
    where = "Of all answers with a known visit and wait"
    if part:
        where = f"Within {formats.title(value)}"
    return Figure(
        "What goes with NPS",
        charts.intervals(
            [formats.short_label(title, 24) for title in titles],
            (kept["effect"] / 100).tolist(),
            (kept["low"] / 100).tolist(),
            (kept["high"] / 100).tolist(),
            hovers,
        ),
        f"{where}, all months: {_words(rows)} Associations, no causes.",
        f"{definition('driver_effect').help} Service lines, locations and doctors are compared "
        f"with the mean; of doctors the {MOST_DOCTORS} furthest from it are drawn, all are in the "
        "table.",
        "drivers",
    )


def _words(rows: list[dict[str, object]]) -> str:
    sure = sum(float(str(row["low"])) > 0 or float(str(row["high"])) < 0 for row in rows)
    wait = next((row for row in rows if row["driver"] == "wait"), None)
    said = f"{sure} of {len(rows)} differ from nought by more than chance explains."
    if wait is None:
        return said
    effect, low, high = (
        formats.signed(formats.count(float(str(wait[name])))) for name in ("effect", "low", "high")
    )
    return f"ten minutes more wait go with {effect} points ({low} to {high}); {said}"


def _tenths(value: float) -> str:
    return formats.signed(formats.number(value))
