"""Made-up journeys: their ways, how long they took, and cohorts that are still arriving."""

from datetime import date

import numpy as np
import pandas as pd
from grids import grid


def paths(
    random: np.random.Generator, service_lines: tuple[str, ...], quarters: list[date]
) -> pd.DataFrame:
    """Ways that journeys took, converted and lost."""
    ways = [("paid_search",), ("email",), ("display", "direct"), ("email", "direct")]
    ways += [("organic_search", "email", "paid_search"), ("paid_social", "other"), ("other",)]
    frame = grid(
        kind=("booked", "lead", "new_patient"),
        service_line=service_lines,
        quarter=quarters,
        outcome=("converted", "lost"),
        way=range(len(ways)),
    )
    for step in range(4):
        named = [way[step] if step < len(way) else "" for way in ways]
        frame[f"step_{step + 1}"] = frame["way"].map(dict(enumerate(named)))
    converted = frame["outcome"] == "converted"
    frame["journeys"] = random.integers(11, 90, len(frame)) * np.where(converted, 1, 6)
    frame["touches"] = frame["journeys"] * (frame["way"] % 3 + 1)
    days = pd.Series(random.uniform(1, 60, len(frame)))
    frame["median_days"] = days.where(converted)
    return frame.drop(columns="way")


def path_lags(
    random: np.random.Generator, service_lines: tuple[str, ...], quarters: list[date]
) -> pd.DataFrame:
    """How long they took, in days and touches."""
    frame = grid(
        kind=("booked", "lead", "new_patient"),
        service_line=service_lines,
        quarter=quarters,
        measure=("days", "touches"),
    )
    frame["journeys"] = random.integers(40, 400, len(frame))
    frame["short_journeys"] = frame["journeys"] // 4
    middle = np.where(frame["measure"] == "days", random.uniform(8, 30, len(frame)), 3.0)
    for name, times in (("p10", 0.1), ("p25", 0.4), ("p50", 1.0), ("p75", 2.0), ("p90", 3.0)):
        frame[name] = middle * times
    return frame


def transitions() -> pd.DataFrame:
    """Where journeys went from each channel."""
    moves = [("(start)", "email", 40), ("email", "(conversion)", 15), ("email", "(null)", 15)]
    moves += [("email", "direct", 10), ("(start)", "other", 30), ("other", "email", 12)]
    moves += [("other", "(null)", 18), ("direct", "(conversion)", 6), ("direct", "email", 4)]
    rows = [(kind, *move) for kind in ("booked", "lead", "new_patient") for move in moves]
    return pd.DataFrame(rows, columns=["kind", "from_channel", "to_channel", "moves"])


STAGES = (
    ("lead", "booked", 3, 0.5),
    ("lead", "kept", 6, 0.4),
    ("lead", "new_patient", 9, 0.25),
    ("lead", "collected", 20, 120e6),
    ("booked", "kept", 6, 0.8),
    ("kept", "collected", 12, 250e6),
)


def cohorts(service_lines: tuple[str, ...], weeks: list[date]) -> pd.DataFrame:
    """Cohorts whose share `1 / lag` arrives each week, so that one of that many weeks is whole."""
    frame = grid(stage=range(len(STAGES)), service_line=service_lines, week=weeks)
    for place, name in enumerate(("kind_from", "kind_to", "lag", "rate")):
        frame[name] = [STAGES[stage][place] for stage in frame["stage"]]
    frame["age_weeks"] = [(weeks[-1] - week).days // 7 for week in frame["week"]]
    frame["entered"] = 40 + frame["age_weeks"] % 7
    frame["maturity"] = ((frame["age_weeks"] + 1) / frame["lag"]).clip(upper=1.0)
    whole = frame["entered"] * frame["rate"]
    frame["arrived"] = (whole * frame["maturity"]).round().astype("int64")
    still = (whole - frame["arrived"]).where(frame["maturity"] < 1, 0.0).clip(lower=0.0)
    for name, times in (("expected", 1.0), ("low", 0.7), ("high", 1.4)):
        frame[name] = frame["arrived"] + still * times
    frame["is_immature"] = frame["maturity"] < 0.9
    return frame.drop(columns=["stage", "lag", "rate"])
