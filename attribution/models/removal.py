"""What is lost without a channel, and how that moves with a regression's effects and journeys."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from scipy.special import expit

from attribution.models.estimate import Influence, share_variance
from attribution.models.logistic import Fit
from attribution.models.paths import Floats, Tally, added

_CHUNK_CELLS = 2_000_000


@dataclass(frozen=True)
class Effects:
    """What each channel does to the log odds."""

    signed: Floats  # pulled towards nil
    credited: Floats  # none below nil
    pull: Floats  # of `signed` by what was fitted
    slope: Floats  # of `credited` by `signed`
    hidden: Floats  # the variance that is not from sampling


class Removal:
    """What a tally loses without each channel, and without all; how that leans on the effects."""

    def __init__(self, fitted: Fit, effects: Floats, tally: Tally) -> None:
        design, size = fitted.design, fitted.channels
        inside = design.indices < size
        self.owner = np.repeat(np.arange(design.shape[0]), np.diff(design.indptr))[inside]
        self.member = design.indices[inside].astype(np.int64)
        amount = design.data[inside]
        self._design = design
        self.odds = design @ fitted.effects
        self._chance = fitted.chance
        left = expit(self.odds[self.owner] - effects[self.member] * amount)
        stays = left / self._chance[self.owner]
        worth = tally.value[self.owner]
        self.lost = 1 - stays  # of each pair of row and channel
        self.of_channel = added(self.member, worth * self.lost, size)
        self.own = added(self.member, worth * stays * (1 - left) * amount, size)
        self._pairs = worth * stays * (self._chance[self.owner] - left)
        joint = added(self.owner, effects[self.member] * amount, design.shape[0])
        alone = expit(self.odds - joint)
        self.stays = alone / self._chance  # of each set, without all of them
        self.base = float(tally.value @ self.stays)
        self._alone = tally.value * self.stays * (self._chance - alone)
        leaning = tally.value * self.stays * (1 - alone)
        self.base_own = -added(self.member, leaning[self.owner] * amount, size)

    def through_odds(self) -> Floats:
        """How each channel's loss moves with the fitted effects, other than through its own."""
        size = self._design.shape[1] - 1
        shape = (self._design.shape[0], size)
        pairs = scipy.sparse.csr_array((self._pairs, (self.owner, self.member)), shape=shape)
        moved: Floats = -(pairs.T @ self._design).toarray()
        return moved

    def base_through_odds(self) -> Floats:
        """The same for what stays without all channels."""
        moved: Floats = self._design.T @ self._alone
        return moved


class Leaning:
    """How credits, and the baseline last, move with effects and with one journey more.

    A credit is what the channel loses, times what all lose jointly, over the sum of what each
    loses: f_c (V - B) / F.
    """

    def __init__(
        self, found: Removal, signed: Removal, effects: Effects, rate: float, lost: float
    ) -> None:
        self._found, self._signed, self._rate, self._lost = found, signed, rate, lost
        self._share = signed.of_channel / lost
        size = len(effects.signed)
        sum_own, base_own = found.own * effects.slope, found.base_own * effects.slope
        #: by the effects themselves, and by what was fitted
        self.by_effect = self._joined(np.diag(signed.own), sum_own, base_own)
        fitted = np.zeros((size, size + 1))
        fitted[:, :-1] = np.diag(signed.own * effects.pull)
        self.by_fit = self._joined(
            fitted + signed.through_odds(),
            np.append(sum_own * effects.pull, 0.0) + found.through_odds().sum(axis=0),
            np.append(base_own * effects.pull, 0.0) + found.base_through_odds(),
        )

    def _joined(self, channel: Floats, whole: Floats, base: Floats) -> Floats:
        moved = self._rate * channel
        moved -= np.outer(self._share, self._rate * whole + base)
        return np.vstack([moved, base])

    def _by_value(self, rows: slice) -> Floats:
        """What one more of value in each set adds to each credit."""
        size, signed, found = len(self._share), self._signed, self._found
        among = (found.owner >= rows.start) & (found.owner < rows.stop)
        owner, member = found.owner[among] - rows.start, found.member[among]
        stays = found.stays[rows]
        summed = added(owner, found.lost[among], len(stays))
        slopes = np.empty((len(stays), size + 1))
        slopes[:, :-1] = np.outer((1 - stays) - self._rate * summed, self._share)
        slopes[owner, member] += self._rate * signed.lost[among]
        slopes[:, -1] = stays
        return slopes

    def variance(
        self,
        fitted: Fit,
        effects: Effects,
        tally: Tally,
        covariance: Floats,
        credit: Floats,
        total: float,
    ) -> Floats:
        """Of each credit: from journeys that came by chance, and from what is hidden."""
        if not total > 0:
            return np.zeros(len(credit))
        spread: Floats = self.by_effect**2 @ effects.hidden
        share, moves = credit / total, covariance @ self.by_fit.T
        for rows in _chunks(len(tally.value), len(credit)):
            steps = fitted.design[rows] @ moves / total
            chance = fitted.chance[rows][:, None]
            influence = Influence(
                (1 - chance) * steps, (self._by_value(rows) - share) / total, -chance * steps
            )
            part = tally.take(np.arange(rows.start, rows.stop))
            spread += share_variance(share, total, influence, part)
        return spread


def _chunks(rows: int, columns: int) -> Iterator[slice]:
    size = max(1, _CHUNK_CELLS // columns)
    for since in range(0, rows, size):
        yield slice(since, min(since + size, rows))
