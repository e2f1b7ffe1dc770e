"""The budget: how to move money between channels so that more people come.

Curves are known only as draws, so what is made as large as possible is the gain over all draws:
its mean, or (careful) the mean of its worst fifth. Within the bounds of each channel, with locked
channels as they are, the total spent exactly, and no service line given more than it can take.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from attribution.errors import BadInput
from attribution.models.estimate import ends_of_draws
from attribution.models.incremental_design import Floats
from attribution.models.response import Curves

WORST = 0.2  # of the draws, by which a careful plan is judged
_HALVINGS = 70
_CENT = 0.005


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plan must keep to: money a week; `shares` and `room` are of service lines.

    `shares` is line x channel, what part of a channel's conversions a line gets; `room` how many
    more conversions a week each line can take than today, of those that `load` says.
    """

    total: float
    low: Floats
    high: Floats
    shares: Floats | None = None
    room: Floats | None = None
    load: Curves | None = None  # of the conversions that take room, where others are planned for


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan beside today's, both in money a week; gains are conversions a week of each draw."""

    now: Floats
    spend: Floats
    gains: Floats

    @property
    def gain(self) -> float:
        return float(self.gains.mean())

    @property
    def interval(self) -> tuple[float, float]:
        low, high = ends_of_draws(self.gains)
        return float(low), float(high)

    @property
    def sure(self) -> float:
        """The share of draws in which the plan brings more than today's."""
        return float((self.gains > 0).mean())


def limits_of(
    total: float,
    low: Floats,
    high: Floats,
    names: tuple[str, ...] = (),
    shares: Floats | None = None,
    room: Floats | None = None,
    load: Curves | None = None,
) -> Limits:
    """Limits that can be kept; raises BadInput where they cannot."""
    below, above = float(low.sum()), float(high.sum())
    wrong = [number for number in range(len(low)) if not 0 <= low[number] <= high[number]]
    if wrong:
        name = names[wrong[0]] if names else f"channel {wrong[0] + 1}"
        raise BadInput(f"The least spend of {name} is above its most; widen its bounds.")
    if not below - _CENT <= total <= above + _CENT:
        raise BadInput(
            f"A total of {total:,.0f} a week cannot be spent: all channels together take from "
            f"{below:,.0f} to {above:,.0f}. Change the total, or widen their bounds."
        )
    return Limits(min(max(total, below), above), low, high, shares, room, load)


def plan(curves: Curves, now: Floats, limits: Limits, *, careful: bool = False) -> Plan:
    """The plan that gains most within the limits. `now` is what channels are given today."""
    spend = _filled(curves, limits)
    bound = limits.room is not None and not _fits(curves, now, limits, spend)
    if bound or careful:
        spend = _searched(curves, now, limits, spend, careful=careful)
    return judged(curves, now, spend)


def judged(curves: Curves, now: Floats, spend: Floats) -> Plan:
    """What any plan gains over today's."""
    return Plan(now, spend, (curves.brings(spend) - curves.brings(now)).sum(axis=1))


def _filled(curves: Curves, limits: Limits) -> Floats:
    """The best spend for the mean of the draws, channel by channel.

    Where no channel is at a bound, one more unit of money brings the same in each of them; that
    amount is found by halving, and each channel's spend for it too. Exact for concave curves.
    """
    low, high = limits.low, limits.high
    steep, flat = (curves.marginal(at).mean(axis=0) for at in (low, high))
    least, most = float(flat.min()), float(steep.max())
    for _ in range(_HALVINGS):
        price = (least + most) / 2
        if _at_price(curves, price, low, high).sum() > limits.total:
            least = price
        else:
            most = price
    spend = _at_price(curves, most, low, high)
    return _exactly(spend, limits)


def _at_price(curves: Curves, price: float, low: Floats, high: Floats) -> Floats:
    """The spend up to which one more unit of money brings at least `price`."""
    below, above = low.copy(), high.copy()
    for _ in range(_HALVINGS // 2):
        middle = (below + above) / 2
        pays = curves.marginal(middle).mean(axis=0) > price
        below, above = np.where(pays, middle, below), np.where(pays, above, middle)
    return below


def _exactly(spend: Floats, limits: Limits) -> Floats:
    """The same with what is left over shared by those who have room for it."""
    spend = np.clip(spend, limits.low, limits.high)
    for _ in range(3):
        left = limits.total - float(spend.sum())
        room = limits.high - spend if left > 0 else spend - limits.low
        if abs(left) <= 1e-9 * max(limits.total, 1.0) or room.sum() <= 0:
            break
        spend = np.clip(spend + left * room / room.sum(), limits.low, limits.high)
    return spend


def _fits(curves: Curves, now: Floats, limits: Limits, spend: Floats) -> bool:
    if limits.room is None or limits.shares is None:
        return True
    load = limits.load or curves
    more = (load.brings(spend) - load.brings(now)).mean(axis=0)
    return bool((limits.shares @ more <= limits.room + 1e-6).all())


def _searched(
    curves: Curves, now: Floats, limits: Limits, start: Floats, *, careful: bool
) -> Floats:
    """By sequential quadratic programming, from the plan for the mean and from today's."""
    unit = max(limits.total / len(now), 1e-9)
    base = curves.brings(now)
    size = max(float(base.mean(axis=0).sum()), 1e-9)

    def loss(x: Floats) -> tuple[float, Floats]:
        gains = (curves.brings(x * unit) - base).sum(axis=1)
        slope = curves.marginal(x * unit)
        if careful:
            worst = np.argsort(gains)[: max(1, round(WORST * len(gains)))]
            gains, slope = gains[worst], slope[worst]
        return -float(gains.mean()) / size, -slope.mean(axis=0) * unit / size

    from scipy.optimize import LinearConstraint, NonlinearConstraint, minimize

    whole = limits.total / unit
    rules: list[LinearConstraint | NonlinearConstraint]
    rules = [LinearConstraint(np.ones((1, len(now))), whole, whole)]
    if limits.room is not None and limits.shares is not None:
        load = limits.load or curves
        left, slope_of = _capacity(load, now, limits.shares, limits.room, unit)
        rules.append(NonlinearConstraint(left, 0.0, np.inf, jac=slope_of))
    bounds = list(zip(limits.low / unit, limits.high / unit, strict=True))
    found: list[tuple[float, Floats]] = []
    today = _exactly(np.clip(now, limits.low, limits.high), limits)
    for begin in (start, today, (start + today) / 2):
        answer = minimize(
            loss, begin / unit, jac=True, bounds=bounds, constraints=rules, method="SLSQP",
            options={"maxiter": 200, "ftol": 1e-10},
        )  # fmt: skip
        for spend in (answer.x * unit, begin):
            spend = _exactly(spend, limits)
            if _fits(curves, now, limits, spend):
                found.append((loss(spend / unit)[0], spend))
    if not found:
        raise BadInput(
            "No plan of this total keeps within what the service lines can take; lower the total, "
            "or give them more room."
        )
    return min(found, key=lambda pair: pair[0])[1]


def _capacity(
    curves: Curves, now: Floats, shares: Floats, room: Floats, unit: float
) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    """What room each service line has left, and how fast it goes, at a spend in units."""
    size, base = np.maximum(room, 1.0), curves.brings(now)

    def left(x: Floats) -> Floats:
        more = (curves.brings(x * unit) - base).mean(axis=0)
        free: Floats = (room - shares @ more) / size
        return free

    def slope(x: Floats) -> Floats:
        steep = curves.marginal(x * unit).mean(axis=0) * unit
        turned: Floats = -(shares * steep) / size[:, None]
        return turned

    return left, slope
