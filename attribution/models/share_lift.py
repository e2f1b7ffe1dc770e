"""The difference of two shares, each group of people beside its own holdout.

Campaigns hold out different shares of people, or nobody, and shares are changed. Put together as
they are, people of one campaign or season would be held against those of another, and what these
do anyway would look like a lift.
"""

from collections.abc import Sequence
from math import sqrt

import pandas as pd

NORMAL_95 = 1.959964


def lift(
    kept: float, people: float, held_kept: float, held: float
) -> tuple[float, float, float] | None:
    """The difference of two shares with its 95% interval; None where a group is empty.

    The interval gives each group one person more who came and one who did not (Agresti and Caffo
    2000): a group of few, of whom nobody came, is not sure that nobody would.
    """
    if not people or not held:
        return None
    one, other = (kept + 1) / (people + 2), (held_kept + 1) / (held + 2)
    reach = NORMAL_95 * sqrt(one * (1 - one) / (people + 2) + other * (1 - other) / (held + 2))
    low, high = max(one - other - reach, -1.0), min(one - other + reach, 1.0)
    return kept / people - held_kept / held, low, high


def lift_of_groups(groups: pd.DataFrame) -> tuple[float, float, float] | None:
    """The lift of groups that were held out apart: their differences, weighed as is usual.

    `groups` has a row each with the columns treated, treated_kept, held_out, held_out_kept. The
    weights are those of Mantel and Haenszel (1959) for a difference of risks, `t h / (t + h)`; a
    group with only one arm weighs nothing. An arm is then as sure as so many people would be as
    have its variance at one share for all: of one group it is that group's people.
    """
    of = groups[(groups["treated"] > 0) & (groups["held_out"] > 0)]
    if of.empty:
        return None
    weight = of["treated"] * of["held_out"] / (of["treated"] + of["held_out"])
    weight = weight / weight.sum()
    arms: list[float] = []
    for arm in ("treated", "held_out"):
        share = float((weight * of[f"{arm}_kept"] / of[arm]).sum())
        people = float(1 / (weight**2 / of[arm]).sum())
        arms += [share * people, people]
    return lift(*arms)


def groups_apart(
    cohorts: pd.DataFrame, within: Sequence[str], grain: Sequence[str] = ()
) -> pd.DataFrame:
    """The groups of `grain` and `within` in which somebody was held out.

    `cohorts` has rows by arm and these columns with the columns silent and kept. The answer has
    these columns and those of `lift_of_groups`.
    """
    of = list(dict.fromkeys([*grain, *within]))
    arms = [
        cohorts[cohorts["arm"] == arm]
        .groupby(of, as_index=False)[["silent", "kept"]]
        .sum()
        .rename(columns={"silent": name, "kept": f"{name}_kept"})
        for arm, name in (("treated", "treated"), ("holdout", "held_out"))
    ]
    both = arms[0].merge(arms[1], on=of)
    return both[(both["treated"] > 0) & (both["held_out"] > 0)]


def beside_holdouts(
    cohorts: pd.DataFrame, within: Sequence[str], grain: Sequence[str]
) -> pd.DataFrame:
    """Per group of `grain` that has a holdout: who is compared, and the lift with its interval.

    Columns: those of `grain`, compared, held_out, held_out_kept, lift, lift_low, lift_high.
    """
    apart = groups_apart(cohorts, within, grain)
    counts = apart.groupby([*grain], as_index=False)[["treated", "held_out", "held_out_kept"]].sum()
    lifts = pd.DataFrame(
        [lift_of_groups(rows) for _, rows in apart.groupby([*grain])],
        columns=["lift", "lift_low", "lift_high"],
        dtype="float64",
    )
    return pd.concat([counts.rename(columns={"treated": "compared"}), lifts], axis=1)
