"""Draws from the posterior of the mix model, by Gibbs sampling over a grid of settings.

    conversions = level + slope + season + waves + sum over channels of b_c * course_c + noise

with b_c not negative. One channel after another is given a setting (carry-over and saturation) and
a coefficient, from their exact distribution given all others; then the smoothness of the waves, the
size of the noise, and what channels have in common. All kinds and chains go on side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.models.incremental_design import Floats
from attribution.models.mix_design import SMOOTH, Courses, Experiment, Products

Ints = NDArray[np.int64]
_CHAINS, _BURN, _THIN = 20, 120, 12
# What is believed of channels together: the part of conversions they bring, how far one is from
# another, and how much more is expected of a channel with more money (a power of it).
_PARTS = (0.02, 0.06, 0.12, 0.2, 0.3)
_SPREADS = (0.5, 1.0)
_POWERS = (0.5, 0.75, 1.0)
_LEAST_PART = 0.05
_EVEN = 200  # draws of each belief, where no week is asked


@dataclass(frozen=True, slots=True)
class Drawn:
    """Draws of one kind: draw x channel, coefficients as parts of the mean week's conversions."""

    setting: Ints
    coefficient: Floats
    noise: Floats  # draw


@dataclass(frozen=True, slots=True)
class _Beliefs:
    centre: Floats  # belief x channel
    sd: Floats
    volume: Floats  # belief: log of the part that is not negative, and of the spread


def beliefs_of(spend: Floats) -> _Beliefs:
    """What may be believed beforehand, for channels of this much money."""
    share = np.maximum(spend, 1e-3 * spend.max()) if spend.max() > 0 else np.ones(len(spend))
    centres, sds = [], []
    for power in _POWERS:
        size = share**power / (share**power).sum()
        for part in _PARTS:
            for spread in _SPREADS:
                centres.append(part * size)
                sds.append(spread * max(part, _LEAST_PART) * size)
    centre, sd = np.stack(centres), np.stack(sds)
    from scipy.special import log_ndtr

    volume = -(np.log(sd) + log_ndtr(centre / sd)).sum(axis=1)
    return _Beliefs(centre, sd, volume)


def believed(spend: Floats) -> Floats:
    """Coefficients as they are believed beforehand, as evenly as they can lie: draw x channel."""
    from scipy.special import ndtr, ndtri

    beliefs = beliefs_of(spend)
    centre, sd = beliefs.centre[:, None], beliefs.sd[:, None]
    below = ndtr(-centre / sd)
    even = ((np.arange(_EVEN) + 0.5) / _EVEN)[None, :, None]
    drawn: Floats = centre + sd * ndtri(below + (1 - below) * even)
    return drawn.reshape(-1, len(spend))


class Sampler:
    """All chains of all kinds at once; rows are chains, kind after kind."""

    def __init__(
        self,
        products: Products,
        courses: Courses,
        means: Floats,
        tests: Sequence[Sequence[Experiment]],
        spend: Floats,
        weeks: int,
        parts: Sequence[float],
        rng: np.random.Generator,
        chains: int = _CHAINS,
    ) -> None:
        kinds = len(means)
        self.rng, self.weeks, self.rows = rng, weeks, kinds * chains
        self.kind = np.repeat(np.arange(kinds), chains)
        self.channels, self.settings = courses.mean.shape
        self.gram, self.cross = products.columns, products.conversions / means
        self.squares, self.volume = products.squares / means**2, products.volume
        self.likely, self.beliefs = courses.likely, beliefs_of(spend)
        # In kinds of which less is brought by any channel, all of what is believed is smaller.
        self.part = np.asarray(parts)[self.kind]
        self.sure, self.told = _told(courses, means, tests)
        self.setting = rng.integers(0, self.settings, (self.rows, self.channels))
        self.smooth = rng.integers(0, len(SMOOTH), self.rows)
        self.belief = rng.integers(0, len(self.beliefs.volume), self.rows)
        self.coefficient = self.part[:, None] * self.beliefs.sd.mean(axis=0)
        self.noise = self.squares[self.smooth, self.kind] / weeks

    def run(self, draws: int, burn: int = _BURN, thin: int = _THIN) -> list[Drawn]:
        """`draws` of every kind."""
        chains = self.rows // (int(self.kind.max()) + 1)
        kept: list[tuple[Ints, Floats, Floats]] = []
        for sweep in range(burn + thin * -(-draws // chains)):
            self._sweep()
            if sweep >= burn and (sweep - burn) % thin == thin - 1:
                kept.append((self.setting.copy(), self.coefficient.copy(), self.noise.copy()))
        setting, coefficient, noise = (np.stack(part) for part in zip(*kept, strict=True))
        found = []
        for kind in range(int(self.kind.max()) + 1):
            mine = self.kind == kind
            found.append(
                Drawn(
                    setting[:, mine].reshape(-1, self.channels)[:draws],
                    coefficient[:, mine].reshape(-1, self.channels)[:draws],
                    noise[:, mine].reshape(-1)[:draws],
                )
            )
        return found

    def _sweep(self) -> None:
        for channel in self.rng.permutation(self.channels):
            self._channel(int(channel))
        self._waves_and_noise()
        self._beliefs()

    def _at(self) -> Ints:
        places: Ints = np.arange(self.channels) * self.settings + self.setting
        return places

    def _channel(self, channel: int) -> None:
        from scipy.special import log_ndtr

        own = slice(channel * self.settings, (channel + 1) * self.settings)
        others = self.coefficient.copy()
        others[:, channel] = 0.0
        block = self.gram[:, own]
        between = block[self.smooth[:, None], :, self._at()]  # row x channel x setting
        linear = self.cross[:, own][self.smooth, :, self.kind]
        linear = linear - np.einsum("rc,rcs->rs", others, between)
        square = np.diagonal(block[:, :, own], axis1=1, axis2=2)[self.smooth]
        centre = (self.part * self.beliefs.centre[self.belief, channel])[:, None]
        precise = 1 / (self.part * self.beliefs.sd[self.belief, channel])[:, None] ** 2
        noise = self.noise[:, None]
        precision = square / noise + precise + self.sure[self.kind, channel]
        mean = (linear / noise + centre * precise + self.told[self.kind, channel]) / precision
        root = np.sqrt(precision)
        evidence = 0.5 * mean**2 * precision - np.log(root) + log_ndtr(mean * root)
        chosen = _picked(evidence + self.likely[channel], self.rng)
        rows = np.arange(self.rows)
        self.setting[:, channel] = chosen
        self.coefficient[:, channel] = _positive(
            mean[rows, chosen], 1 / root[rows, chosen], self.rng
        )

    def _waves_and_noise(self) -> None:
        at = self._at()
        b = self.coefficient
        left = np.empty((self.rows, len(SMOOTH)))
        for number in range(len(SMOOTH)):
            inner = self.gram[number][at[:, :, None], at[:, None, :]]
            cross = self.cross[number][at, self.kind[:, None]]
            left[:, number] = (
                self.squares[number, self.kind]
                - 2 * (b * cross).sum(axis=1)
                + np.einsum("rc,rcd,rd->r", b, inner, b)
            )
        left = np.maximum(left, 1e-12)
        # The size of the noise is summed over: a choice of waves is not held to the last one.
        self.smooth = _picked(self.volume - 0.5 * self.weeks * np.log(left), self.rng)
        rest = left[np.arange(self.rows), self.smooth]
        self.noise = 0.5 * rest / self.rng.gamma(0.5 * self.weeks, size=self.rows)

    def _beliefs(self) -> None:
        size = self.coefficient / self.part[:, None]
        off = size[:, None, :] - self.beliefs.centre
        chance = self.beliefs.volume - 0.5 * ((off / self.beliefs.sd) ** 2).sum(axis=2)
        self.belief = _picked(chance, self.rng)


def _told(
    courses: Courses, means: Floats, tests: Sequence[Sequence[Experiment]]
) -> tuple[Floats, Floats]:
    """What experiments add to precision, and to precision times mean: kind x channel x setting."""
    usual = courses.usual
    shape = (len(means), *courses.mean.shape)
    sure, told = np.zeros(shape), np.zeros(shape)
    for kind, of_kind in enumerate(tests):
        for test in of_kind:
            brought = means[kind] * (usual[test.channel] @ test.weight)
            sure[kind, test.channel] += (brought / test.standard_error) ** 2
            told[kind, test.channel] += brought * test.increment / test.standard_error**2
    return sure, told


def _picked(evidence: Floats, rng: np.random.Generator) -> Ints:
    """One of each row, with the probability that its evidence gives it."""
    picked: Ints = np.argmax(evidence + rng.gumbel(size=evidence.shape), axis=1)
    return picked


def _positive(mean: Floats, sd: Floats, rng: np.random.Generator) -> Floats:
    """Draws of a normal that is cut off at zero."""
    from scipy.special import ndtr, ndtri

    inside = ndtr(np.maximum(mean / sd, -30))
    part = np.clip(rng.uniform(size=mean.shape) * inside, 1e-300, 1 - 1e-16)
    drawn: Floats = np.maximum(mean - sd * ndtri(part), 0.0)
    return drawn
