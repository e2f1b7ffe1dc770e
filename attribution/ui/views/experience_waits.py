"""Waiting minutes against NPS: groups with their intervals, and the curve through them."""

import pandas as pd

from attribution.metrics import definition
from attribution.ui import charts, formats
from attribution.ui.view import Column, Figure, Table, measured, records, table_of

_ENDS = "One end of the 95% interval."
_LAST = 60


def waited_words(waited_from: int) -> str:
    """A group of waits in words: 10–14 min."""
    if waited_from >= _LAST:
        return f"{_LAST} min or more"
    width = 5 if waited_from < 30 else 10
    return f"{waited_from}–{waited_from + width - 1} min"


def waits_table(waited: pd.DataFrame) -> Table:
    """A row for each group of waits."""
    columns = (
        Column("waited", "Waited"),
        measured("minutes_waited", "Minutes, mean"),
        measured("experience_answers"),
        measured("experience_nps"),
        Column("low", "Low", "number", _ENDS),
        Column("high", "High", "number", _ENDS),
    )
    frame = waited.assign(
        waited=waited["waited_from"].map(waited_words),
        minutes_waited=waited["minutes"],
        experience_answers=waited["people"],
        experience_nps=waited["nps"],
    )
    return table_of("NPS by minutes waited", columns, frame)


def curve_table(curve: pd.DataFrame) -> Table:
    """The fitted curve at some minutes."""
    columns = (
        measured("minutes_waited"),
        Column("nps", "NPS, fitted", "number", definition("experience_nps").help),
        Column("low", "Low", "number", _ENDS),
        Column("high", "High", "number", _ENDS),
    )
    frame = curve.rename(columns={"minutes": "minutes_waited"})
    return table_of("Fitted curve", columns, frame)


def waits_figure(waited: pd.DataFrame, curve: pd.DataFrame) -> Figure:
    """Groups as dots with intervals, the curve in its band."""
    rows = records(waited)
    hovers = [
        f"<b>{waited_words(int(row['waited_from']))}</b><br>NPS {_signed(row['nps'])} "
        f"({_signed(row['low'])} to {_signed(row['high'])})<br>"
        f"{formats.count(row['people'])} answers"
        for row in rows
    ]
    return Figure(
        "Waiting and NPS",
        charts.course(
            curve["minutes"].round(2).tolist(),
            _band(curve),
            hovers,
            axis={"ticksuffix": " min", "nticks": 7, "rangemode": "tozero"},
            dots=(waited["minutes"].round(2).tolist(), _band(waited)),
        ),
        _words(curve, int(waited["people"].sum())),
        "Of people of whom both are known. Diamonds are groups with their 95% interval, the line "
        "is a fitted curve with its band, up to the wait that one in twenty exceeds. An "
        "association: who waits longer may differ in more.",
        "waits",
    )


def _band(frame: pd.DataFrame) -> tuple[list[float], list[float], list[float]]:
    nps, low, high = (frame[name].round(2).tolist() for name in ("nps", "low", "high"))
    return nps, low, high


def _words(curve: pd.DataFrame, people: int) -> str:
    if curve.empty:
        return f"Too few answers with a known wait for a curve: {formats.count(people)}."
    first, last = records(curve)[0], records(curve)[-1]
    return (
        f"NPS {_signed(first['nps'])} after {first['minutes']:.0f} minutes, "
        f"{_signed(last['nps'])} ({_signed(last['low'])} to {_signed(last['high'])}) after "
        f"{last['minutes']:.0f}; of {formats.count(people)} answers with a known wait."
    )


def _signed(value: float) -> str:
    return formats.signed(formats.count(value))
