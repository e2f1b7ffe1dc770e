"""What campaigns brought in money, against their holdouts, with its interval.

Each campaign is compared with its own holdout, because campaigns hold out different shares: the
difference of means times the people treated, with Welch's variance (1938). Everybody counts in
their arm, reached or not. Sums of campaigns add their variances: their people are drawn apart.
"""

from math import sqrt

import numpy as np
import pandas as pd

FEWEST = 11  # held-out people below which nothing is compared
_Z = 1.959963984540054
COLUMNS = ("campaign", "channel", "treated", "held_out", "brought", "low", "high")


def brought(arms: pd.DataFrame) -> pd.DataFrame:
    """Per campaign and channel: what those treated brought beyond their holdout, and its ends.

    `arms` has campaign, channel, arm (treated or holdout), people, value and squares (of values),
    in the same unit. Campaigns with too few people held out are left out.
    """
    sides = {
        arm: rows.set_index(["campaign", "channel"])[["people", "value", "squares"]]
        for arm, rows in arms.groupby("arm")
    }
    if not {"treated", "holdout"} <= sides.keys():
        return pd.DataFrame(columns=list(COLUMNS))
    both = sides["treated"].join(sides["holdout"].add_suffix("_held"), how="inner")
    both = both[(both["people"] > 1) & (both["people_held"] >= FEWEST)].astype("float64")
    difference = both["value"] / both["people"] - both["value_held"] / both["people_held"]
    paid = both["value"] + both["value_held"]
    squares = both["squares"] + both["squares_held"]
    one_more = pd.Series([of_one(*each) for each in zip(paid, squares, strict=True)], both.index)
    variance = _of_mean(both, "", one_more) + _of_mean(both, "_held", one_more)
    found = both["people"] * difference
    reach = _Z * both["people"] * np.sqrt(variance)
    frame = pd.DataFrame(
        {
            "treated": both["people"].astype("int64"),
            "held_out": both["people_held"].astype("int64"),
            "brought": found,
            "low": found - reach,
            "high": found + reach,
        }
    )
    return frame.reset_index()[list(COLUMNS)]


def of_one(brought: float, squares: float) -> float:
    """What one person more who did it would bring, by the sum and squares of what people brought.

    Of a share that is 1; of money what they paid, large payments weighing more. Refunds lower the
    sum: nobody brought more than the root of the squares. 1 where nobody brought anything.
    """
    if squares <= 0:
        return 1.0
    most = sqrt(squares)
    return min(squares / brought, most) if brought > 0 else most


def together(found: pd.DataFrame) -> tuple[float, float, float]:
    """What all campaigns brought, with the ends of its interval."""
    total = float(found["brought"].sum())
    reach = float(np.sqrt(((found["high"] - found["brought"]) ** 2).sum()))
    return total, total - reach, total + reach


def _of_mean(both: pd.DataFrame, side: str, one_more: pd.Series) -> pd.Series:
    """The variance of an arm's mean; no arm is surer than one in which a single person paid."""
    people = both[f"people{side}"]
    spread = (both[f"squares{side}"] - both[f"value{side}"] ** 2 / people) / (people - 1)
    variance: pd.Series = spread.clip(lower=one_more**2 / people) / people
    return variance
