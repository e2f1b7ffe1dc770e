"""The rules on path files: credit that is said beforehand, and not learned.

Path files carry no times, so time decay is by step here: a touch weighs half as much for each
half-life of steps that it lies before the last one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from attribution.errors import BadInput
from attribution.models.estimate import Estimate, by_weights
from attribution.models.paths import Codes, Floats, Paths, added


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """The numbers behind the rules."""

    position_ends: float = 0.4
    half_life_steps: float = 2.0
    direct: frozenset[str] = frozenset({"direct", "(direct)", "(direct) / (none)"})

    def __post_init__(self) -> None:
        """Refuse what no rule can share by."""
        if not 0 < self.position_ends <= 0.5:
            raise BadInput("What position gives each end must be above 0 and at most 0.5.")
        if not 0 < self.half_life_steps < np.inf:
            raise BadInput("The half-life of time decay must be above 0 steps, and end.")


def first(paths: Paths, _settings: RuleSettings) -> Floats:
    """All credit to the first touch."""
    weight: Floats = (paths.steps == 0).astype(np.float64)
    return weight


def last(paths: Paths, _settings: RuleSettings) -> Floats:
    """All credit to the last touch."""
    weight: Floats = (_steps_left(paths) == 0).astype(np.float64)
    return weight


def last_non_direct(paths: Paths, settings: RuleSettings) -> Floats:
    """All credit to the last touch that was not direct; to the last one where all were."""
    known = np.array([name.casefold() in settings.direct for name in paths.channels], dtype=bool)
    step = np.where(known[paths.codes], -1, paths.steps)
    chosen = np.maximum.reduceat(step, paths.starts[:-1])
    chosen = np.where(chosen < 0, paths.lengths - 1, chosen)
    weight: Floats = (paths.steps == chosen[paths.owners]).astype(np.float64)
    return weight


def linear(paths: Paths, _settings: RuleSettings) -> Floats:
    """The same credit to every touch."""
    return 1.0 / paths.lengths[paths.owners]


def position(paths: Paths, settings: RuleSettings) -> Floats:
    """Most credit to the first and the last touch, the rest shared by those between."""
    lengths = paths.lengths[paths.owners]
    between = (1 - 2 * settings.position_ends) / np.maximum(lengths - 2, 1)
    at_end = (paths.steps == 0) | (_steps_left(paths) == 0)
    weight = np.where(at_end, settings.position_ends, between)
    return np.where(lengths <= 2, 1.0 / lengths, weight)


def time_decay(paths: Paths, settings: RuleSettings) -> Floats:
    """More credit the nearer the conversion, by steps."""
    powers = 0.5 ** (np.arange(int(paths.lengths.max(initial=1))) / settings.half_life_steps)
    total = np.cumsum(powers)
    weight: Floats = powers[_steps_left(paths)] / total[paths.lengths - 1][paths.owners]
    return weight


RULES: Mapping[str, Callable[[Paths, RuleSettings], Floats]] = MappingProxyType(
    {
        "first": first,
        "last": last,
        "last_non_direct": last_non_direct,
        "linear": linear,
        "position": position,
        "time_decay": time_decay,
    }
)


def rule(paths: Paths, name: str, settings: RuleSettings) -> Estimate:
    """The credit of a rule."""
    paths = paths.earning
    cell, found, _ = paths.cells
    weights = RULES[name](paths, settings) if len(paths.codes) else np.zeros(0)
    return by_weights(paths, added(cell, weights, len(found)))


def _steps_left(paths: Paths) -> Codes:
    left: Codes = paths.lengths[paths.owners] - 1 - paths.steps
    return left
