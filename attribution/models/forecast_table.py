"""What was fitted as one table: weeks with what came and what is foretold, and models with errors.

Rows with a week are of the chosen model; rows without are one for each model that was tested, or
that could not be.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from attribution.models.forecast_bands import BOUNDS, LEVELS, Bands, bands_of, usual_miss
from attribution.models.forecast_candidates import CANDIDATES
from attribution.models.forecast_fit import Fit, Task
from attribution.models.forecast_reconcile import adds_up, reconciled
from attribution.models.forecast_series import DIMENSIONS, TOTAL, Floats, Key

SHOWN = 104  # weeks of the past that the table has
BEHIND = "behind"  # the note of a model that was not tested to the end
_TEXTS = ("metric", "dimension", "member", "model", "week", "note", "digest", "kept")
_NUMBERS = ("actual", "expected", *BOUNDS, "target", "wape")
_FLAGS = ("is_ahead", "is_chosen", "adds_up")
COLUMNS = (*_TEXTS, *_NUMBERS, *_FLAGS, "weeks_tested")


def no_forecasts(*_frames: pd.DataFrame) -> pd.DataFrame:
    """The table without a row, as it is until a refresh has fitted something."""
    return _typed([])


def forecast_table(
    tasks: Sequence[Task],
    fits: Sequence[Fit],
    targets: Mapping[Key, float],
    *,
    agree: bool = False,
) -> pd.DataFrame:
    """The table of `COLUMNS`; targets are for a week, in the unit of the series.

    Where they shall `agree`, parts and totals are moved until they add up.
    """
    tests = [fit.misses for fit in fits]
    horizon = max((task.horizon for task in tasks), default=0)
    bands = bands_of(tests, horizon)
    usual = np.array([usual_miss(misses) for misses in tests])
    expected, sums = (
        agreed(tasks, fits, usual)
        if agree
        else ([np.array(fit.expected) for fit in fits], [False] * len(fits))
    )
    rows: list[dict[str, Any]] = []
    for place, (task, fit) in enumerate(zip(tasks, fits, strict=True)):
        key = task.series.key
        named = {"metric": key.metric, "dimension": key.dimension, "member": key.member}
        target = targets.get(key)
        weeks = _weeks(task, fit, expected[place], bands, float(usual[place]))
        rows += [{**named, "model": fit.chosen, "target": target, **week} for week in weeks]
        rows += [{**named, "adds_up": sums[place], **each} for each in _models(task, fit)]
    return _typed(rows)


def agreed(
    tasks: Sequence[Task], fits: Sequence[Fit], usual: Floats
) -> tuple[list[Floats], list[bool]]:
    """What each series foretells once parts and totals agree, and whether it is such a part."""
    expected = [np.array(fit.expected) for fit in fits]
    sums = [False] * len(tasks)
    place = {task.series.key: number for number, task in enumerate(tasks)}
    for key in [key for key in place if key.dimension == TOTAL]:
        whole = place[key]
        groups = [
            [number for other, number in place.items() if (other.metric, other.dimension) == part]
            for part in ((key.metric, dimension) for dimension in DIMENSIONS)
        ]
        groups = [
            parts
            for parts in groups
            if parts
            and adds_up(
                np.array(tasks[whole].series.values),
                np.array([tasks[number].series.values for number in parts]),
            )
        ]
        rows = [whole, *(number for parts in groups for number in parts)]
        local = {number: row for row, number in enumerate(rows)}
        answer = reconciled(
            0,
            [[local[number] for number in parts] for parts in groups],
            np.array([expected[number] for number in rows]),
            usual[rows],
        )
        for number, row in local.items():
            expected[number] = answer[row]
            sums[number] = bool(groups)
    return expected, sums


def _weeks(
    task: Task, fit: Fit, expected: Floats, bands: Bands, usual: float
) -> list[dict[str, Any]]:
    series = task.series
    length = len(series)
    rows: list[dict[str, Any]] = []
    for place in range(max(length - SHOWN, 0), length):
        row: dict[str, Any] = {"week": f"{series.monday(place)}", "actual": series.values[place]}
        back = length - place
        if back <= len(fit.watched) and np.isfinite(fit.watched[-back]):
            middle = fit.watched[-back]
            row["expected"] = middle
            for level in LEVELS:
                reach = bands.widths[level][len(fit.watched) - back] * usual
                row[f"low_{level}"] = max(middle - reach, 0.0)
                row[f"high_{level}"] = middle + reach
        rows.append(row)
    around = {level: bands.around(level, expected, usual) for level in LEVELS}
    for step, value in enumerate(expected):
        row = {"week": f"{series.monday(length + step)}", "expected": value, "is_ahead": True}
        for level, (low, high) in around.items():
            row |= {f"low_{level}": low[step], f"high_{level}": high[step]}
        rows.append(row)
    return rows


def _models(task: Task, fit: Fit) -> list[dict[str, Any]]:
    tested = sum(map(len, fit.misses))
    rows: list[dict[str, Any]] = []
    for name in (name for name in CANDIDATES if name in {*fit.wape, *fit.failed, *fit.behind}):
        chosen = name == fit.chosen
        row: dict[str, Any] = {
            "model": name,
            "wape": fit.wape.get(name),
            "is_chosen": chosen,
            "weeks_tested": tested,
            "note": fit.failed.get(name, BEHIND if name in fit.behind else ""),
        }
        if chosen:
            row |= {"digest": task.digest, "kept": fit.written()}
        rows.append(row)
    return rows


def _typed(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=list(COLUMNS))
    numbers = frame[list(_NUMBERS)].astype("float64")
    # The last digits hang on the order in which numbers were added.
    frame[list(_NUMBERS)] = numbers.map(lambda value: float(f"{value:.7g}"))
    frame[list(_FLAGS)] = frame[list(_FLAGS)].astype("boolean").fillna(False).astype("bool")
    frame["weeks_tested"] = frame["weeks_tested"].astype("Int64").fillna(0).astype("int64")
    return frame.astype(dict.fromkeys(_TEXTS, "str"))
