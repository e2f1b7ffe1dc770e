"""How far credit is from a known truth: pure functions over series named by channel.

Truth is what each channel brought, found by switching it off alone. Those numbers do not add up to
what all marketing brought: channels need each other, or stand in for each other. So channels are
compared as shares, and only the total as a number.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

METRICS = ("tvd", "abs", "rank", "total_error", "sum_error")


def shares(amounts: pd.Series) -> pd.Series:
    """Parts of 1; what is below nothing counts as nothing, and nothing at all stays nothing."""
    positive = amounts.clip(lower=0.0)
    whole = positive.sum()
    return positive / whole if whole > 0 else positive


def distance(one: pd.Series, other: pd.Series) -> float:
    """Total variation distance of two lists of shares: the share that stands elsewhere."""
    return float((one - other).abs().sum() / 2)


def measured(
    credit: pd.Series, truth: pd.Series, total: float, baseline: float
) -> dict[str, float]:
    """All metrics of one model in one world.

    `credit` is what the model gives to each row, whatever it is called; `truth` what each channel
    that can be switched off brought; `total` and `baseline` are all conversions with and without
    marketing. The shares of all conversions have one row for whatever is not such a channel, and
    in truth the channels' shares of what all of marketing brought. `total_error` is beside what is
    lost without any marketing, `sum_error` beside the sum of what is lost without each channel
    alone, which is less, because channels stand in for each other.
    """
    mine = credit.groupby(level=0).sum().reindex(truth.index, fill_value=0.0)
    brought, alone = total - baseline, float(truth.clip(lower=0.0).sum())
    whole = float(credit.sum())
    of_all = mine / whole if whole else mine
    in_truth = shares(truth) * brought / total
    apart = (of_all - in_truth).abs().sum() + abs(of_all.sum() - in_truth.sum())
    return {
        "tvd": distance(shares(mine), shares(truth)),
        "abs": float(apart / 2),
        "rank": rank_correlation(mine, truth),
        "total_error": float(mine.sum() - brought) / brought if brought else float("nan"),
        "sum_error": float(mine.sum() - alone) / alone if alone else float("nan"),
    }


def rank_correlation(one: pd.Series, other: pd.Series) -> float:
    """Spearman's, ties at their mean rank; where all are equal there is no order to agree with."""
    if one.nunique() < 2 or other.nunique() < 2:
        return 0.0
    return float(spearmanr(one.to_numpy(), other.reindex(one.index).to_numpy()).statistic)


def covered(intervals: pd.DataFrame, truth: pd.Series) -> pd.Series:
    """Of each channel that has an interval, whether it holds the truth from `low` to `high`."""
    both = intervals.dropna().join(truth.rename("truth"), how="inner")
    return both["truth"].between(both["low"], both["high"])


def middle(values: Iterable[float], form: str = "{:.2f}") -> str:
    """Median and range, as a cell of a table."""
    numbers = np.array([value for value in values if np.isfinite(value)])
    if not len(numbers):
        return ""
    cells = (np.median(numbers), numbers.min(), numbers.max())
    median, low, high = (form.format(value) for value in cells)
    return f"{median} ({low} to {high})"
