"""How sure credit is: the delete-a-group jackknife over people hashed into groups.

Leave one group of people out, learn again, credit what is left, scale it up to the whole: how much
such answers differ says how much the answer would differ with other people. Nothing is computed
again for it. What a group was credited is known by group, and what learning without it would move
between channels follows from two sums: a journey that gives `s_c` to channel `c` and `s_k` to `k`
gives `c` more by `s_c s_k` times what the weight of `c` gains on that of `k` (in logs).
docs/intervals.md derives it and works it by hand.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.models.estimate import (
    Interval,
    ends_of_draws,
    normal_interval,
    score_interval,
)
from attribution.models.paths import Floats

FEW_PEOPLE = 30  # below, the groups say too little about how much people differ
LENT = 10  # people of the usual spread that each channel's own are taken together with


@dataclass(frozen=True)
class Spread:
    """What each channel is credited with, and how that varies and varies together.

    `people` is about how many stand behind it, `unit` what one conversion brings, `signed` whether
    amounts may be below zero (refunds).
    """

    channels: tuple[str, ...]
    total: Floats
    covariance: Floats
    people: Floats
    unit: float = 1.0
    signed: bool = False

    @property
    def few(self) -> NDArray[np.bool_]:
        """Whether fewer than about thirty people stand behind a channel."""
        return np.asarray(self.people < FEW_PEOPLE)

    def interval(self) -> Interval:
        """The 90% interval of each channel's credit."""
        variance = np.diag(self.covariance)
        if self.signed:
            return normal_interval(self.total, variance)
        return score_interval(self.total, self._lent(variance), self.unit)

    def _lent(self, variance: Floats) -> Floats:
        """The variance for each unit of credit, drawn to that of all channels where people are few.

        By chance a handful of people may look all alike.
        """
        credited = self.total > 0
        if not credited.any():
            return variance
        usual = variance[credited].sum() / self.total[credited].sum()
        own = np.zeros(len(variance))
        own[credited] = variance[credited] / self.total[credited]
        lent = LENT / (LENT + self.people)
        moderated: Floats = np.where(credited, ((1 - lent) * own + lent * usual) * self.total, 0.0)
        return moderated

    def beats(self) -> Floats:
        """How often the row's channel earns more than the column's, were all measured anew."""
        ahead = self.total[:, None] - self.total[None, :]
        own = np.diag(self.covariance)
        apart = np.maximum(own[:, None] + own[None, :] - 2 * self.covariance, 0.0)
        # Below this a difference is a rounding error of the sums, not a spread.
        known = apart > 1e-12 * (own[:, None] + own[None, :])
        sure = np.where(ahead == 0, 0.0, np.copysign(np.inf, ahead))
        from scipy.special import ndtr  # half a second to import, which a report can do without

        chance: Floats = ndtr(np.divide(ahead, np.sqrt(apart), out=sure, where=known))
        return chance


def spread(
    channels: tuple[str, ...],
    credit: Floats,
    *,
    moved: Floats | None = None,
    unit: float = 1.0,
    signed: bool = False,
) -> Spread:
    """The spread of the sums of `credit`, whose rows are groups and whose columns are channels.

    `moved` is what learning without each group would give to each channel, as `moved_by_learning`
    says; rules learn nothing and have none. The number of conversions counts as uncertain too.
    """
    groups = len(credit)
    part = credit if moved is None else credit - (1 - 1 / groups) * moved
    off = part - part.mean(axis=0)
    covariance: Floats = groups / (groups - 1) * (off.T @ off)
    return Spread(channels, credit.sum(axis=0), covariance, people_behind(credit), unit, signed)


def moved_by_learning(leans: Floats, log_changes: Floats) -> Floats:
    """What each channel (columns) gains if weights are learned without each group (rows).

    `leans[c, k]` is the sum over journeys of credit times the share of `c` times that of `k`, and
    `log_changes` are those of the channels' weights without each group. What one channel gains
    another loses: rows add up to nought.
    """
    between = leans - np.diag(np.diag(leans))
    moved: Floats = log_changes * between.sum(axis=1) - log_changes @ between.T
    return moved


def people_behind(credit: Floats) -> Floats:
    """About how many people stand behind each channel; infinite where every group has some.

    People are hashed, so groups fill up as bins do: `n` people leave a share of about
    `(1 - 1 / groups) ** n` of the groups empty (linear counting).
    """
    groups = len(credit)
    empty = 1 - (credit != 0).sum(axis=0) / groups
    with np.errstate(divide="ignore"):
        people: Floats = np.log(empty) / np.log(1 - 1 / groups)
    return people


def drawn_interval(total: Floats, draws: Floats) -> Interval:
    """The 90% interval of estimates (columns) from draws of them (rows)."""
    return Interval(total, *ends_of_draws(draws))


def drawn_beats(draws: Floats) -> Floats:
    """The share of draws in which the row's channel earns more than the column's; ties are half."""
    ahead = draws[:, :, None] - draws[:, None, :]
    chance: Floats = ((ahead > 0) + 0.5 * (ahead == 0)).mean(axis=0)
    return chance
