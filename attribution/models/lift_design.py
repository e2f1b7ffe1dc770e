"""Designs a test on markets: which are treated, how the rest is told, and what it could tell.

Sets of markets are drawn at random; of those whose share of all conversions kept steadiest,
chance picks one (rerandomisation: Morgan and Rubin 2012), so nobody chooses. What such a test could
tell is tried out on the weeks before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from attribution.models.incremental_design import Floats
from attribution.models.lift_effect import METHODS, Method
from attribution.models.lift_panel import Cohort, Layout, Panel
from attribution.models.lift_placebo import Placebos, placebos

_DRAWN, _BEST = 400, 0.1
LENGTHS = (2, 4, 6, 8, 10, 12, 16, 20, 26)
_STEPS = 41


@dataclass(frozen=True, slots=True)
class Tried:
    """A layout with the method whose errors on the weeks before were the smallest."""

    layout: Layout
    method: Method
    placebos: Placebos


def chosen(panel: Panel, treated: int, weeks: int, seed: int) -> tuple[int, ...]:
    """Which markets are treated: one at random of the sets that kept the steadiest share."""
    rng = np.random.default_rng([seed, 17])
    markets = len(panel.markets)
    drawn = {tuple(sorted(rng.permutation(markets)[:treated].tolist())) for _ in range(_DRAWN)}
    sets = sorted(drawn)
    uneven = mismatch(panel, sets, weeks)
    best = np.argsort(uneven, kind="stable")[: max(1, round(_BEST * len(sets)))]
    return sets[int(rng.choice(best))]


def mismatch(panel: Panel, sets: Sequence[Sequence[int]], weeks: int) -> Floats:
    """How unsteady each set's share of all conversions was over spans as long as the test.

    The standard deviation over such spans, as a part of the mean; 0 is a share that never moved.
    """
    inside = np.zeros((len(sets), len(panel.markets)))
    for row, markets in enumerate(sets):
        inside[row, list(markets)] = 1.0
    span = max(1, min(weeks, panel.counts.shape[1] // 3))
    summed = np.cumsum(np.pad(panel.counts, ((0, 0), (1, 0))), axis=1)
    spans = summed[:, span:] - summed[:, :-span]
    share = (inside @ spans) / np.maximum(spans.sum(axis=0), 1.0)
    uneven: Floats = share.std(axis=1) / np.maximum(share.mean(axis=1), 1e-9)
    return uneven


def layout_of(
    panel: Panel,
    treated: Sequence[int],
    controls: Sequence[int],
    weeks: int,
    washout: int,
    later: Sequence[int] = (),
) -> Layout:
    """The test put right behind the last week that is known.

    `later` says by how many weeks each treated market begins after the first of them.
    """
    start = panel.counts.shape[1]
    by_start: dict[int, list[int]] = {}
    for place, market in enumerate(treated):
        begins = start + (later[place] if later else 0)
        by_start.setdefault(begins, []).append(market)
    cohorts = tuple(Cohort(tuple(by_start[begins]), begins) for begins in sorted(by_start))
    return Layout(cohorts, tuple(controls), washout, start + washout + weeks)


def tried(panel: Panel, layout: Layout, seed: int) -> Tried | None:
    """The method with the smallest errors where nothing was done; None without weeks to try."""
    found: Tried | None = None
    for method in METHODS:
        errors = placebos(panel.counts, layout, method, seed, within=False)
        if errors is None:
            continue
        if found is None or errors.detectable() < found.placebos.detectable():
            found = Tried(layout, method, errors)
    return found


def by_length(panel: Panel, found: Tried, seed: int) -> list[tuple[int, float]]:
    """The smallest effect that is told four times in five, by how many weeks are counted."""
    latest = max(cohort.start for cohort in found.layout.cohorts)
    told = []
    for weeks in LENGTHS:
        # Whoever begins later is counted for as many weeks fewer.
        end = found.layout.start + weeks + found.layout.washout
        if end <= latest + found.layout.washout:
            continue
        errors = placebos(
            panel.counts, replace(found.layout, end=end), found.method, seed, within=False
        )
        if errors is not None:
            told.append((weeks, errors.detectable()))
    return told


def weeks_needed(lengths: Sequence[tuple[int, float]], wanted: float) -> int | None:
    """The shortest test that tells an effect; None where none that was tried does."""
    return next((weeks for weeks, detectable in lengths if detectable <= wanted), None)


def power_curve(found: Placebos, wanted: float) -> tuple[list[float], list[float]]:
    """Effects, as parts of what is counted, and how often each would be told."""
    last = max(1.6 * wanted, 1.3 * found.detectable(0.95), 0.05)
    effects = np.linspace(0, last, _STEPS)
    return effects.tolist(), [found.power(float(effect)) for effect in effects]
