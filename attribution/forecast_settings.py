"""What `[forecast]` in the settings says: how far ahead, how many series, and the targets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from attribution.models.forecast_series import ALL, DIMENSIONS, TOTAL, YEAR, Key

# Targets are named as pages name numbers.
NUMBERS = MappingProxyType(
    {
        "leads": "lead",
        "booked": "booked",
        "kept": "kept",
        "new_patients": "new_patient",
        "collected": "collected",
        "spend": "spend",
    }
)
_SWITCHES = ("enabled", "agree")
_LIMITS = {
    "horizon": (4, 26),
    "members": (1, 12),
    "settle_weeks": (0, 12),
    "workers": (0, 64),
}


@dataclass(frozen=True, slots=True)
class ForecastSettings:
    """How forecasts are made; `workers` 0 means as many as there are cores, at most four."""

    enabled: bool = True
    horizon: int = 13
    members: int = 3  # of each dimension, beside what is left
    settle_weeks: int = 0  # newest weeks left out, where sources restate them
    workers: int = 0
    country: str = "US"  # whose public holidays
    agree: bool = False  # parts are moved until they add up to totals
    targets: Mapping[Key, float] = field(default_factory=lambda: MappingProxyType({}))


def forecast_settings(table: Mapping[str, Any], *, country: str = "US") -> ForecastSettings:
    """The settings of `[forecast]`; raises ValueError with the first thing that cannot be."""
    known = {*_SWITCHES, "country", "targets", *_LIMITS}
    for name in sorted(table.keys() - known):
        raise ValueError(f"{name} is not a setting; choose from {', '.join(sorted(known))}")
    for name in _SWITCHES:
        if type(table.get(name, True)) is not bool:
            raise ValueError(f"{name} must be true or false")
    numbers = {}
    for name, (least, most) in _LIMITS.items():
        value = table.get(name, getattr(_DEFAULT, name))
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"{name} must be a whole number from {least} to {most}")
        numbers[name] = value
    land = table.get("country", country)
    if not isinstance(land, str) or len(land) != 2 or not land.isalpha():
        raise ValueError('country must be a code of two letters such as "US"')
    return ForecastSettings(
        enabled=table.get("enabled", True),
        agree=table.get("agree", False),
        country=land.upper(),
        targets=MappingProxyType(_targets(table.get("targets", {}))),
        **numbers,
    )


_DEFAULT = ForecastSettings()


def _targets(table: Any) -> dict[Key, float]:
    """Targets for a week: of totals, and under a dimension of its members."""
    if not isinstance(table, Mapping):
        raise ValueError("targets must be a table such as [forecast.targets]")
    found = _of(TOTAL, ALL, {k: v for k, v in table.items() if k not in DIMENSIONS})
    for dimension in DIMENSIONS:
        members = table.get(dimension, {})
        if not isinstance(members, Mapping):
            raise ValueError(f"targets.{dimension} must be a table of names")
        for member, own in members.items():
            if not isinstance(own, Mapping):
                raise ValueError(f"targets.{dimension}.{member} must be a table of numbers")
            found |= _of(dimension, member, own)
    return found


def _of(dimension: str, member: str, table: Mapping[str, Any]) -> dict[Key, float]:
    found = {}
    for name, value in table.items():
        if name not in NUMBERS:
            raise ValueError(f"targets: {name} is none of {', '.join((*NUMBERS, *DIMENSIONS))}")
        if type(value) not in (int, float) or not 0 <= value < YEAR * 10**10:
            raise ValueError(f"targets: {name} must be a number for a week, from 0")
        found[Key(NUMBERS[name], dimension, member)] = float(value)
    return found
