"""Made-up marts of answers, waits, reviews and steps on the way back, for tests of pages."""

from datetime import date

import numpy as np
import pandas as pd
from grids import grid

from attribution.models.drivers import experience_drivers

WAITS = (0, 5, 10, 15, 20, 25, 30, 40, 50, 60)


def tables(
    months: list[date], service_lines: tuple[str, ...], locations: tuple[str, ...]
) -> dict[str, pd.DataFrame]:
    """The marts of Experience: the same on every call."""
    random = np.random.default_rng(11)
    waits = grid(
        month=months, service_line=service_lines[:3], location=locations[:2], waited_from=WAITS
    )
    waits["people"] = random.integers(20, 40, len(waits))
    up = 0.7 - 0.006 * waits["waited_from"]
    down = 0.08 + 0.004 * waits["waited_from"]
    waits["promoters"] = random.binomial(waits["people"], up)
    left = waits["people"] - waits["promoters"]
    waits["detractors"] = random.binomial(left, down / (1 - up))
    waits["passives"] = left - waits["detractors"]
    waits["minutes"] = waits["people"] * (waits["waited_from"] + 2)
    classes = ["people", "promoters", "passives", "detractors"]
    nps = waits.groupby(["month", "service_line", "location"], as_index=False)[classes].sum()
    asked = pd.DataFrame({"month": months, "service_line": "", "location": "", "people": 400})
    zero = dict.fromkeys(("promoters", "passives", "detractors"), 0)
    every = pd.concat(
        [nps.assign(kind="nps", answered=0), asked.assign(kind="asked", answered=90, **zero)],
        ignore_index=True,
    )
    return {
        "experience": every[["kind", "month", "service_line", "location", *classes, "answered"]],
        "experience_waits": waits,
        "experience_drivers": experience_drivers(_cells(waits)),
        "reviews": _reviews(months, locations[:2]),
    }


def _cells(waits: pd.DataFrame) -> pd.DataFrame:
    cells = waits.rename(columns={"waited_from": "minutes_"}).drop(columns="minutes")
    cells = cells.rename(columns={"minutes_": "minutes"})
    number = np.arange(len(cells))
    return cells.assign(
        provider=[f"dr-{place}" for place in number % 4],
        patient=np.where(number % 3 == 0, "new", "returning"),
        has_missed=np.where(number % 5 == 0, "yes", "no"),
    )


def _reviews(months: list[date], locations: tuple[str, ...]) -> pd.DataFrame:
    given = grid(site=["google"], location=locations, day=months, stars=[1, 2, 4, 5])
    given = given.assign(kind="review", reviews=given["stars"], rating=np.nan)
    shown = pd.DataFrame(
        {
            "site": ["google", "yelp"],
            "location": locations[0],
            "day": months[-1],
            "stars": 0,
            "kind": "rating",
            "reviews": [420, 96],
            "rating": [4.31, 3.8],
        }
    )
    return pd.concat([given, shown], ignore_index=True)


def steps(reactivation: pd.DataFrame) -> pd.DataFrame:
    """The steps of the made-up cohorts: as many at each stage as `reactivation` has."""
    rows = []
    for row in reactivation.to_dict("records"):
        engaged = row["engaged"]
        kept = min(row["kept"], engaged)
        treated, alone = row["arm"] == "treated", row["arm"] == "none"
        ends = {
            (1, "not due"): row["silent"] if alone else 0,
            (3, "held out"): row["silent"] if row["arm"] == "holdout" else 0,
            (3, "not sent"): row["silent"] - row["contacted"] if treated else 0,
            (5, "no response"): row["contacted"] - engaged,
            (7, "missed it"): engaged - kept,
            (9, ""): kept,
        }
        value, people = row["value_micros"], max(row["silent"], 1)
        for (reached, reason), some in ends.items():
            if some:
                rows.append(
                    {
                        **{
                            name: row[name]
                            for name in (
                                *("cohort_month", "campaign", "channel", "arm", "months_silent"),
                                *("service_line", "location", "currency"),
                            )
                        },
                        "state": "lapsed",
                        "reached": reached,
                        "reason": reason,
                        "people": some,
                        "value_micros": value * some // people,
                        "value_squares": some * 400,
                    }
                )
    return pd.DataFrame(rows)
