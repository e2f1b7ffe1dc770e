"""What changed a number between two periods: money, where it went, what it brought, the rest.

What channels with spend bring is V = S x sum of w_c r_c: all their money S, each one's part of it
w_c, and what a unit of it brings r_c. The change of V is shared among the three by the Shapley
value: each factor gets its mean effect over every order in which they could have changed. So the
parts add up to the change, whatever the order, and nothing is left over (Shapley 1953; for
decompositions Shorrocks 2013, Journal of Economic Inequality 11, 99-126).
"""

from dataclasses import dataclass

import numpy as np

from attribution.models.incremental_design import Floats


@dataclass(frozen=True, slots=True)
class Change:
    """The parts of a change, in the unit of what was won; they add up to it.

    Each is an array with a place for every channel: of a channel, too, they add up to its change.
    """

    won: tuple[Floats, Floats]
    spend_each: Floats  # more or less money in all
    mix_each: Floats  # money moved between channels
    rate_each: Floats  # what a unit of a channel's money brings
    unpaid_each: Floats  # what came without spend

    @property
    def before(self) -> float:
        return float(self.won[0].sum())

    @property
    def after(self) -> float:
        return float(self.won[1].sum())

    @property
    def spend(self) -> float:
        return float(self.spend_each.sum())

    @property
    def mix(self) -> float:
        return float(self.mix_each.sum())

    @property
    def rate(self) -> float:
        return float(self.rate_each.sum())

    @property
    def unpaid(self) -> float:
        return float(self.unpaid_each.sum())


def change(spend: tuple[Floats, Floats], won: tuple[Floats, Floats]) -> Change:
    """The parts of the change from the first period to the second.

    `spend` and `won` have a place for each channel. What a channel wins in a period without spend
    is unpaid. A channel with spend in one period only brings in the other what it brought in that
    one, for each unit of no money: that it came or went is a matter of mix. What is called a
    channel here may be anything that money is told of, as service lines or places.
    """
    paid = [np.where(money > 0, money, 0.0) for money in spend]
    brought = [np.where(money > 0, gain, 0.0) for money, gain in zip(paid, won, strict=True)]
    unpaid = [gain - own for gain, own in zip(won, brought, strict=True)]
    total = [float(money.sum()) for money in paid]
    part = [
        _over(money, np.full_like(money, sum_)) for money, sum_ in zip(paid, total, strict=True)
    ]
    rate = [_over(gain, money) for gain, money in zip(brought, paid, strict=True)]
    # Nothing is known of a period without spend: as in the other one.
    part = [part[at] if total[at] > 0 else part[1 - at] for at in (0, 1)]
    rate = [np.where(paid[at] > 0, rate[at], rate[1 - at]) for at in (0, 1)]
    sums = [np.full_like(won[0], sum_) for sum_ in total]
    return Change(
        won,
        _moved(sums, part, rate),
        _moved(part, sums, rate),
        _moved(rate, sums, part),
        unpaid[1] - unpaid[0],
    )


# The weights of the other two factors, both as they were, one changed, both changed.
_BOTH, _ONE = 1 / 3, 1 / 6


def _moved(factor: list[Floats], one: list[Floats], other: list[Floats]) -> Floats:
    """What a factor's change does to the product of three: its mean effect over all orders."""
    rest = [[one[a] * other[b] for b in (0, 1)] for a in (0, 1)]
    weighed = _BOTH * (rest[0][0] + rest[1][1]) + _ONE * (rest[0][1] + rest[1][0])
    moved: Floats = (factor[1] - factor[0]) * weighed
    return moved


def _over(over: Floats, under: Floats) -> Floats:
    share: Floats = np.divide(over, under, out=np.zeros_like(over), where=under > 0)
    return share
