"""Incremental credit from paths alone: what would not have come without the channel.

A logistic regression learns how each channel moves the odds of a conversion, from journeys that
converted and journeys that did not. A channel's removal effect is the share of conversions that
is lost when the channel is taken out of every journey. What stays when all are out is the
`baseline`: it would have come anyway. The rest is shared in proportion to removal effects.

Paths do not say who was going to come anyway and clicked on the way. Where paths of the very same
channels convert differently, something hidden is at work. Effects are then taken to be off by as
much, at random: they are pulled towards what a channel usually does, and intervals widen.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
from scipy.special import log_ndtr

from attribution.errors import BadInput
from attribution.models.estimate import (
    Estimate,
    Interval,
    Z,
    as_counts,
    no_interval,
)
from attribution.models.logistic import Fit, design_of, fit, hidden_spread
from attribution.models.paths import Codes, Floats, Paths, Tally
from attribution.models.removal import Effects, Leaning, Removal

BASELINE = "baseline"
USUAL_EFFECT = 2.0  # on the log odds; no effect is taken to be below nil
# Most of what is hidden goes with the channels themselves and cannot show between paths of the
# same ones. How much more that is was found in simulated worlds (benchmarks/path_accuracy.py).
HIDDEN_FOR_SHOWN = 4.0
_COVARIANCE_CHANNELS = 6_000


def incremental(paths: Paths, held: frozenset[str], *, intervals: bool = True) -> Estimate:
    """Credit by removal effects, and the baseline; the channels `held` are part of it.

    Value is shared as conversions are in each set of channels; where refunds make a path's value
    negative, as all conversions are.
    """
    if not (paths.tally.nulls > 0).any():
        raise BadInput(
            "incremental compares journeys that converted with those that did not: "
            "it needs a column nulls that is above 0 for some path with a touch."
        )
    fitted, number, tally = _best_fit(paths)
    kept = np.array([name.casefold() in held for name in paths.channels], dtype=bool)
    shown = hidden_spread(number, paths.tally.conversions, paths.tally.nulls, fitted.chance)
    spread = min(HIDDEN_FOR_SHOWN * shown, USUAL_EFFECT)
    covariance = fitted.covariance() if len(kept) <= _COVARIANCE_CHANNELS else None
    effects = _effects(fitted, covariance, spread, kept)
    covariance = covariance if intervals else None
    counts = as_counts(tally)
    won = _credited(fitted, effects, counts, covariance)
    value = None
    if paths.has_value:
        value = _valued(fitted, effects, tally, covariance, won)
    return Estimate(
        won.interval,
        value,
        np.append(won.removed / float(counts.value.sum()), np.nan),
        _note(paths, won.interval, effects, kept, shown, covariance is not None),
        (BASELINE,),
    )


def _best_fit(paths: Paths) -> tuple[Fit, Codes, Tally]:
    """The likelier of two regressions: on whether a channel was met, and on how often.

    Both have the same number of effects, so the likelier may be taken as it is.
    """
    cell, _, _ = paths.cells
    often = np.bincount(cell).astype(np.float64)
    met = _fitted(paths, np.ones(len(often)))
    if (often == 1).all():
        return met
    counted = _fitted(paths, often)
    return max(met, counted, key=lambda found: found[0].log_posterior)


def _fitted(paths: Paths, amounts: Floats) -> tuple[Fit, Codes, Tally]:
    """A regression, the row of each path in it, and what became of the journeys of each row.

    Journeys without a touch, where it is known how many did not convert, say what happens
    without any channel.
    """
    number, design = _alike(paths, amounts)
    tally = paths.tally.grouped(number, design.shape[0])
    rest = paths.untouched
    if rest is None or not rest.nulls[0]:
        return fit(design, tally.conversions, tally.nulls), number, tally
    nobody = design_of(
        np.zeros(0, dtype=np.int64), np.zeros(0), np.array([0, 0]), design.shape[1] - 1
    )
    both = fit(
        scipy.sparse.csr_array(scipy.sparse.vstack([design, nobody])),
        np.append(tally.conversions, rest.conversions),
        np.append(tally.nulls, rest.nulls),
    )
    return replace(both, chance=both.chance[:-1], design=design), number, tally


def _alike(paths: Paths, amounts: Floats) -> tuple[Codes, scipy.sparse.csr_array]:
    """Paths with the same channels in the same amounts: each path's number, and a row for each."""
    _, path, channel = paths.cells
    first = np.searchsorted(path, np.arange(len(paths.lengths)))
    rng = np.random.default_rng(20)  # only names rows; different rows must not share a name
    marks = rng.integers(1, 1 << 63, size=(2, len(paths.channels)), dtype=np.uint64)
    names = [np.add.reduceat(mark[channel] * amounts.astype(np.uint64), first) for mark in marks]
    order = np.lexsort(names)
    new = np.ones(len(order), dtype=bool)
    new[1:] = (names[0][order][1:] != names[0][order][:-1]) | (
        names[1][order][1:] != names[1][order][:-1]
    )
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(new) - 1
    example = order[new]
    sizes = np.bincount(path)[example]
    ends = np.cumsum(sizes)
    places = np.repeat(first[example] - (ends - sizes), sizes) + np.arange(ends[-1])
    starts = np.concatenate([[0], ends])
    return number, design_of(channel[places], amounts[places], starts, len(paths.channels))


def _effects(fitted: Fit, covariance: Floats | None, spread: float, kept: np.ndarray) -> Effects:
    """What is known of each effect, once it cannot be below nil.

    An effect that is below nil beyond doubt is harm, and is nil. Any other is what it is on
    average over what it may be: a channel that seems to do nothing may do a little.
    """
    found = fitted.effects[:-1]
    sampling = fitted.rough_variances() if covariance is None else np.diag(covariance)[:-1]
    doubt = sampling + spread**2
    pull = USUAL_EFFECT**2 / (USUAL_EFFECT**2 + doubt)
    signed, deviation = pull * found, np.sqrt(pull * doubt)
    height = signed / deviation
    ratio = np.exp(-(height**2) / 2 - np.log(2 * np.pi) / 2 - log_ndtr(height))
    harmless = height > -Z
    credited = np.where(harmless, signed + deviation * ratio, 0.0)
    slope = np.where(harmless, np.clip(1 - ratio * (ratio + height), 0.0, 1.0), 0.0)
    hidden = np.maximum(pull * doubt - pull**2 * sampling, 0.0)
    parts = (signed, np.maximum(credited, 0.0), pull, slope, hidden)
    return Effects(*(np.where(kept, 0.0, part) for part in parts))


@dataclass(frozen=True)
class _Credit:
    interval: Interval  # of each channel, and of the baseline last
    removed: Floats


def _credited(fitted: Fit, effects: Effects, tally: Tally, covariance: Floats | None) -> _Credit:
    total = float(tally.value.sum())
    found = Removal(fitted, effects.credited, tally)
    lost = float(found.of_channel.sum())
    rate = (total - found.base) / lost if lost > 0 else 0.0
    base = found.base if lost > 0 else total
    centre = np.append(found.of_channel * rate, base)
    if covariance is None:
        return _Credit(no_interval(centre), found.of_channel)
    signed = Removal(fitted, effects.signed, tally)
    raw = np.append(signed.of_channel * rate, base)
    leaning = Leaning(found, signed, effects, rate, max(lost, 1e-300))
    reach = Z * np.sqrt(leaning.variance(fitted, effects, tally, covariance, raw, total))
    low = np.minimum(np.maximum(raw - reach, 0.0), centre)
    high = np.maximum(np.minimum(raw + reach, max(total, 0.0)), centre)
    return _Credit(Interval(centre, low, high), found.of_channel)


def _valued(
    fitted: Fit, effects: Effects, tally: Tally, covariance: Floats | None, won: _Credit
) -> Interval:
    if (tally.value >= 0).all() and tally.value.any():
        return _credited(fitted, effects, tally, covariance).interval
    total, counted = float(tally.value.sum()), float(won.interval.centre.sum())
    scale = total / counted
    centre = won.interval.centre * scale
    ends = won.interval.low * scale, won.interval.high * scale
    # The sum of values is unsure by itself, each channel in proportion to its part.
    by_sum = Z * np.sqrt(float(tally.squares.sum())) * won.interval.centre / counted
    low, high = np.minimum(*ends), np.maximum(*ends)
    return Interval(
        centre,
        centre - np.hypot(centre - low, by_sum),
        centre + np.hypot(high - centre, by_sum),
    )


def _note(
    paths: Paths,
    won: Interval,
    effects: Effects,
    kept: np.ndarray,
    spread: float,
    with_interval: bool,
) -> str:
    total = float(won.centre.sum())
    said = (
        "incremental: only an experiment knows what would have come anyway; these paths say "
        f"{_told(won.centre[-1])} of {_told(total)} conversions with a touch"
    )
    if with_interval:
        said += f", and with 90% between {_told(won.low[-1])} and {_told(won.high[-1])}"
    if spread:
        said += (
            "; paths with the same channels convert differently, their odds by a factor of "
            f"{np.exp(spread):.2g}, so something that paths do not hold is at work, and the "
            "intervals allow for as much"
        )
    harmful = _named(paths, ~kept & (effects.credited == 0))
    if harmful:
        said += f"; no credit for {harmful}, with which fewer convert"
    if kept.any():
        said += f"; {_named(paths, kept)} cannot be switched off and counts as baseline"
    return said


def _told(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"


def _named(paths: Paths, chosen: np.ndarray) -> str:
    numbers: Codes = np.flatnonzero(chosen)
    names = ", ".join(paths.channels[number] for number in numbers[:5])
    return names + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
