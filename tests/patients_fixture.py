"""Made-up patients as the marts of groups have them: a few thousand, the same on every call."""

from functools import cache

import numpy as np
import pandas as pd

from attribution.group_queries import DIMENSIONS, OF_JOURNEYS, SUMS

_VALUES = {
    "service_line": (["cardiology", "dermatology", "primary care"], [0.2, 0.3, 0.5]),
    "lapse": (["active", "due", "lapsed", "lost", "no recall"], [0.5, 0.1, 0.2, 0.1, 0.1]),
    "age_band": (["0-17", "30-44", "60-74", "75+"], [0.1, 0.3, 0.4, 0.2]),
    "location": (["Harbor", "North"], [0.6, 0.4]),
    "response": (["none sent", "sent", "clicked", "booked"], [0.6, 0.3, 0.07, 0.03]),
    "zip3": (["601", "elsewhere"], [0.9, 0.1]),
    "months_silent": (["0-6", "6-12", "36+"], [0.6, 0.3, 0.1]),
}
_CHANNELS = ["", "paid_search", "email", "direct_mail", "video"]
KNOWN = {
    **{name: tuple(values) for name, (values, _odds) in _VALUES.items()},
    "condition": ("asthma", "eczema"),
}


def people(count: int, seed: int = 3) -> pd.DataFrame:
    """A row a person: the dimensions, what SUMS add up, two conditions, a first channel, a way."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {name: random.choice(values, count, p=odds) for name, (values, odds) in _VALUES.items()}
    )
    frame["people"] = 1
    frame["visits"] = 1 + random.poisson(2, count)
    frame["shown"] = frame["visits"]
    frame["missed"] = random.poisson(0.3, count)
    frame["missers"] = (frame["missed"] > 0).astype("int64")
    frame["value_micros"] = random.integers(0, 900, count) * 1_000_000
    frame["was_silent"] = random.integers(0, 2, count)
    frame["came_back"] = frame["was_silent"] * random.integers(0, 2, count)
    frame["answers"] = (random.random(count) < 0.4).astype("int64")
    frame["promoters"] = frame["answers"] * (random.random(count) < 0.5)
    frame["detractors"] = (frame["answers"] - frame["promoters"]) * random.integers(0, 2, count)
    frame["channel"] = random.choice(_CHANNELS, count, p=[0.3, 0.3, 0.2, 0.18, 0.02])
    frame["way"] = frame["channel"]
    frame["touched"] = (frame["channel"] != "").astype("int64")
    frame["touches"] = frame["touched"] * (1 + random.poisson(3, count))
    frame["arrived"] = frame["touched"] * random.integers(0, 2, count)
    frame["days_to_visit"] = frame["arrived"] * random.integers(0, 200, count)
    frame["asthma"] = random.random(count) < 0.3
    frame["eczema"] = random.random(count) < 0.1
    return frame


def marts_of(crowd: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The three marts of these people, as the SQL makes them."""
    conditions = {
        "": crowd,
        **{name: crowd[crowd[name]] for name in ("asthma", "eczema")},
    }
    members = pd.concat([rows.assign(condition=name) for name, rows in conditions.items()])
    grain = ["condition", *DIMENSIONS]
    numbers = members.groupby(grain, as_index=False)[list(SUMS)].sum().astype({"people": "int64"})
    every = numbers.loc[numbers["condition"] == "", [*DIMENSIONS, "people"]]
    every = every.rename(columns={"people": "everyone"})
    groups = numbers[[*grain, "people"]].merge(every, on=list(DIMENSIONS))
    told = [
        members.assign(measure=measure, item=members["channel"])
        for measure in ("first_channel", "last_channel")
    ]
    told.append(members.assign(measure="way", item=members["way"]))
    told.append(members.assign(measure="days", item=np.where(members["arrived"] > 0, "31-90", "")))
    by = ["condition", "measure", *OF_JOURNEYS, "item"]
    journeys = pd.concat(told).groupby(by, as_index=False)["people"].sum()
    return {"patient_groups": groups, "patient_numbers": numbers, "patient_journeys": journeys}


@cache
def tables() -> dict[str, pd.DataFrame]:
    """The marts of three thousand people."""
    return marts_of(people(3000))
