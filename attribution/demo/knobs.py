"""How a simulated world may differ from the standard one.

The standard is 1 everywhere and is the demo. Other values make worlds in which credit models are
measured: a model that is right in one world only has learned the world.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# Beyond these the shares that a knob scales would not be shares any more.
_MOST = {
    "confounding": 2.0,
    "tracking": 2.0,
    "spend": 10.0,
    "swings": 3.0,
    "baseline": 5.0,
    "twins": 1.0,
}


@dataclass(frozen=True, slots=True)
class Knobs:
    """Factors on the standard world."""

    # How strongly platforms aim at people in need, heavy users see more, retargeting keeps to
    # recent visitors, and budgets follow demand. At 0 nothing paid knows who is in need.
    confounding: float = 1.0
    # How much of what happens systems fail to record. At 0 no visit, letter, call or address is
    # lost; what platforms show stays with the platforms.
    tracking: float = 1.0
    # The level of all budgets, and how much they are pushed and paused and move by place. At 0
    # swings only season and flights move them.
    spend: float = 1.0
    swings: float = 1.0
    # How readily people ask, type the address or are referred without any marketing.
    baseline: float = 1.0
    # The share of people who give a twin's address and phone as their own. A share, not a factor:
    # the demo has families that share one or the other, and no twins.
    twins: float = 0.0
    # Of single levers: their budget, and what they do to people whom they reach. Search levers
    # stand in for each other, so without effect a search ad does harm.
    budgets: Mapping[str, float] = field(default_factory=dict)
    effects: Mapping[str, float] = field(default_factory=dict)
    # Levers that are off in one place for some weeks: lever, place, and the first and the last of
    # these weeks, counted back from the end (1 is the last week). No factor: a lift test.
    dark: tuple[tuple[str, int, int, int], ...] = ()

    def __post_init__(self) -> None:
        for name, most in _MOST.items():
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(
                    f"{name} is a factor from 0 to {most:g}, not {getattr(self, name)}"
                )
        for name in ("budgets", "effects"):
            for lever, factor in getattr(self, name).items():
                if not 0 <= factor <= 10:
                    raise ValueError(f"{name}: {lever} is a factor from 0 to 10, not {factor}")

    def levers(self) -> set[str]:
        """The levers that it names."""
        return {*self.budgets, *self.effects}

    def budget(self, lever: str) -> float:
        """The factor on what is spent on this lever."""
        return self.spend * self.budgets.get(lever, 1.0)

    def effect(self, lever: str) -> float:
        """The factor on what this lever does."""
        return self.effects.get(lever, 1.0)

    def lost(self, share: float) -> float:
        """A share that tracking loses in the standard world, in this one."""
        return min(share * self.tracking, 1.0)

    def recorded(self, share: float) -> float:
        """A share that is recorded in the standard world, in this one."""
        return float(share**self.tracking)

    def changed(self) -> dict[str, Any]:
        """What differs from the standard world."""
        told = asdict(self).items()
        return {n: value for n, value in told if n != "dark" and value != _DEFAULTS[n]}


_DEFAULTS = asdict(Knobs())
STANDARD = Knobs()
