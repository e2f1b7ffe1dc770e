"""What leaving a group of people out changes: the derivative against solving anew."""

import numpy as np
import pandas as pd
import pytest

from attribution.models.learned import GROUPS, learn_markov, learn_shapley_rate

CHANNELS = 4
STEP = 1e-5


def walks(order: int) -> pd.DataFrame:
    """States of seeded journeys of many people, as the warehouse counts them by group."""
    rng = np.random.default_rng(order)
    rows = []
    for person in range(600):
        path = [0, 0, 0, 0, *rng.integers(1, CHANNELS + 1, rng.integers(1, 6)).tolist()]
        won = bool(rng.random() < 0.15 * path[-1])
        for place in range(4, len(path)):
            before = [path[place - back] if back <= order else 0 for back in range(1, 5)]
            last = place == len(path) - 1
            rows.append((person % GROUPS, order, won, last, path[place], *before, 1))
    names = ["person_group", "markov_order", "is_won", "is_last", "channel_id"]
    names += [f"before_{back}" for back in range(1, 5)]
    frame = pd.DataFrame(rows, columns=[*names, "journeys"])
    return frame.groupby(names, as_index=False)["journeys"].sum().astype({"journeys": "float64"})


def sets() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    rows = [
        (person % GROUPS, int(rng.integers(1, 1 << CHANNELS)), float(rng.random() < 0.4))
        for person in range(900)
    ]
    frame = pd.DataFrame(rows, columns=["person_group", "channel_set", "won"])
    frame["lost"] = 1 - frame["won"]
    return frame.groupby(["person_group", "channel_set"], as_index=False)[["won", "lost"]].sum()


def moved(counts: pd.DataFrame, names: list[str], group: int, learn) -> np.ndarray:
    """The slope of the weights as a group's people become fewer, by solving twice."""
    ends = []
    for times in (1 + STEP, 1 - STEP):
        scale = np.where(counts["person_group"] == group, times, 1.0)
        ends.append(learn(counts.assign(**{n: counts[n] * scale for n in names})).weight)
    return (ends[1] - ends[0]) / (2 * STEP)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_removal_effects_change_as_solving_anew_says(order):
    states = walks(order)
    learned = learn_markov(states)
    assert list(learned.channels) == [1, 2, 3, 4]
    assert np.abs(learned.change).max() > 1e-4
    for group in (0, 17, 99):
        expected = moved(states, ["journeys"], group, learn_markov)
        assert learned.change[group] == pytest.approx(expected, abs=1e-8)


def test_shapley_values_change_as_solving_anew_says():
    counts = sets()
    learned = learn_shapley_rate(counts)
    top = int(np.argmax(learned.weight))
    for group in (0, 17, 99):
        # The largest value is 1 in both solutions, so only ratios to it can be compared.
        expected = moved(counts, ["won", "lost"], group, learn_shapley_rate)
        ratios = learned.change[group] - learned.weight * learned.change[group][top]
        assert ratios == pytest.approx(expected, abs=1e-8)
